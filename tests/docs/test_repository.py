"""What a visitor of the repository meets: workflows, forms, hooks, the changelog, the version."""

from __future__ import annotations

import configparser
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlberth

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = sorted(set((GITHUB / "ISSUE_TEMPLATE").iterdir()) - {GITHUB / "ISSUE_TEMPLATE/config.yml"})
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PYTHONS = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
_MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")


def load(path: Path) -> Any:
    """Return what a YAML file says."""
    return yaml.safe_load(path.read_text())


def named(path: Path) -> str:
    """Return a file's name for the id of a test."""
    return path.name


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_workflow_runs_what_is_there(path: Path) -> None:
    """Its jobs call make targets and scripts of this repository, and may write nothing to it."""
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML 1.1 takes `on` for true
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert any(command.startswith("make ") or ".ci/run" in command for command in commands)
        for command in commands:
            assert set(_MAKE.findall(command)) <= TARGETS
            for script in re.findall(r"(?<=\s)[\w.]+/[\w./-]+", command):
                assert (ROOT / script).stat().st_mode & 0o111


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_actions_are_pinned(path: Path) -> None:
    """An action is named by its commit, which nobody can move, and the comment says which version that is."""
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [
        one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)
    ] == []


def test_every_python_is_tested() -> None:
    """The matrix has the versions that the package supports; the README's badge the first and last."""
    matrix = load(GITHUB / "workflows/tests.yml")["jobs"]["python"]["strategy"]["matrix"]["python"]
    assert matrix == PYTHONS
    assert f'requires-python = ">={PYTHONS[0]}"' in (ROOT / "pyproject.toml").read_text()
    assert f"python-{PYTHONS[0]}%E2%80%93{PYTHONS[-1]}-" in (ROOT / "README.md").read_text()


def test_ci_checks_all_that_a_contributor_checks() -> None:
    """.ci/run runs `make check`, `make site`, `make demo` and `make test`, and skips nothing."""
    script = (ROOT / ".ci/run").read_text()
    assert {"install", "check", "site", "demo", "test"} <= set(_MAKE.findall(script)) <= TARGETS
    required = {f"MLBERTH_REQUIRE_{name}=1" for name in ("NGINX", "DOCKER", "SLURM")}
    assert required <= set(script.split())


@pytest.mark.parametrize("path", FORMS, ids=named)
def test_issue_form_is_one(path: Path) -> None:
    """A form has a name, a description and fields, each with an id of its own and a label."""
    form = load(path)
    assert set(form) == {"name", "description", "labels", "body"}
    assert {field["type"] for field in form["body"]} <= {"input", "textarea", "dropdown", "markdown"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["attributes"]["label"]
        assert ("options" in field["attributes"]) == (field["type"] == "dropdown")
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_contact_links_lead_to_the_repository() -> None:
    """Questions and vulnerabilities have places of their own, in the repository that the site links to."""
    # mkdocs.yml has tags that only mkdocs knows, in newer versions of the theme.
    repository = load(ROOT / "mkdocs.yml")["extra"]["repository"]
    config = load(GITHUB / "ISSUE_TEMPLATE/config.yml")
    assert config["blank_issues_enabled"] is False
    assert [link["name"] for link in config["contact_links"]] == ["Question", "Vulnerability"]
    assert all(link["url"].startswith(repository + "/") for link in config["contact_links"])


def test_hooks_are_the_checks() -> None:
    """The hooks run the tools of `make check`, from .venv, and pre-commit takes the file."""
    path = ROOT / ".pre-commit-config.yaml"
    (local,) = load(path)["repos"]
    entries = [hook["entry"].split() for hook in local["hooks"]]
    check = re.search(r"^check:.*?\n\n", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE)
    assert check
    tools = re.findall(r"\$\(BIN\)/(\w+)", check[0])
    assert [Path(entry[0]).name for entry in entries] == tools
    assert {entry[0].rpartition("/")[0] for entry in entries} == {".venv/bin"}
    pytest.importorskip("pre_commit")
    argv = [sys.executable, "-m", "pre_commit", "validate-config", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_editors_write_lines_as_long_as_the_linter_allows() -> None:
    """.editorconfig and ruff agree."""
    text = (ROOT / ".editorconfig").read_text()
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + text)
    assert parser["top"]["root"] == "true"
    assert f"line-length = {parser['*.py']['max_line_length']}\n" in (ROOT / "pyproject.toml").read_text()


def test_pages_name_make_targets_that_are_there() -> None:
    """Code on a page that says `make …` names a target."""
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *GITHUB.glob("*.md"),
        ROOT / "examples/README.md",
    ]
    unknown = {
        f"{page.name}: make {target}"
        for page in pages
        for code in re.findall(r"^```.*?^```$|`[^`\n]+`", page.read_text(), re.DOTALL | re.MULTILINE)
        for target in re.findall(r"(?:^|`|&& )make ([a-z][a-z-]*)", code, re.MULTILINE)
        if target not in TARGETS
    }
    assert unknown == set()


def test_changelog_has_the_form_of_keep_a_changelog() -> None:
    """Unreleased comes first, then each version with its day, newest first, in the six kinds of change."""
    text = (ROOT / "CHANGELOG.md").read_text()
    first, *versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert first == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", version) for version in versions]
    assert all(found)
    order = [(tuple(map(int, one.groups()[:3])), dt.date.fromisoformat(one[4])) for one in found if one]
    assert order == sorted(order, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert f"## [{mlberth.__version__}] - " in text


def test_the_version_stands_in_one_place() -> None:
    """No other file of what is shipped or built repeats it, and a start does not compute it."""
    place = ROOT / "toolkit/mlberth/__init__.py"
    assert f'\n__version__ = "{mlberth.__version__}"\n' in place.read_text()
    files = [*ROOT.glob("Dockerfile.*"), ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "mkdocs.yml"]
    files += [
        path for root in ("toolkit", "train", "serve", "scripts") for path in (ROOT / root).rglob("*.py")
    ]
    again = re.compile(
        rf"(?<![\d.]){re.escape(mlberth.__version__)}(?![\d.])|^__version__\b|^version\s*=", re.MULTILINE
    )
    # A stand-in for another container's package has that package's version.
    files = [path for path in files if path != place and "compat" not in path.parts]
    assert [path.name for path in files if again.search(path.read_text())] == []
