"""The pages that are made from the code, the links of all pages, and what the code says of pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LARGEST_SOURCE = 1_000_000
KINDS = {"tutorial", "how-to", "reference", "explanation", "adr"}
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / ".github").rglob("*.md"),
    ROOT / "examples/README.md",
]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# Where GitHub shows a file, `../../` is the repository's own address, which has more than files.
_OF_GITHUB = re.compile(r"(\.\./\.\./)(actions|security|issues|discussions)\b")


def test_generated_pages_are_current() -> None:
    """`make docs` would change nothing."""
    argv = [sys.executable, "scripts/write_docs.py", "--check"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_of_one_kind() -> None:
    """Below docs/ there are four kinds of page, the decisions, and the front page."""
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert {str(page.parent) for page in pages} == {*KINDS, "."}
    assert [str(page) for page in pages if str(page.parent) == "."] == ["index.md"]


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading that the file has."""
    missing = []
    for target, heading in _LINK.findall(_CODE.sub("", page.read_text())):
        if _OF_GITHUB.match(target):
            continue
        found = page.parent / target if target else page
        if not found.exists() or (heading and heading not in headings(found)):
            missing.append(f"{target}#{heading}")
    assert missing == []


def headings(page: Path) -> set[str]:
    """Return what the headings of a page are called in a link."""
    titles = re.findall(r"^#+ (.*)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_pages_that_are_cited_are_there() -> None:
    """Whatever names a page of docs/, in code, a message, an image or another page, names one that exists."""
    folders = ("toolkit", "train", "serve", "local", "tests", "bench", "scripts", "examples", "docs", ".ci")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    paths += [*ROOT.glob("*")]
    cited = {
        (page, str(path.relative_to(ROOT)))
        for path in paths
        if path.is_file() and path.stat().st_size < LARGEST_SOURCE and "__pycache__" not in path.parts
        for page in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text(errors="replace"))
    }
    assert len(cited) > 20
    assert {citation for citation in cited if not (ROOT / citation[0]).exists()} == set()


def test_every_variable_in_prose_is_read() -> None:
    """A page names no SAGEMAKER_ variable that the generated table does not have."""
    table = (ROOT / "docs/reference/variables.md").read_text()
    known = set(re.findall(r"SAGEMAKER_[A-Z_]+", table)) | {"SAGEMAKER_"}
    named = {
        name
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for name in re.findall(r"`(SAGEMAKER_[A-Z_]+)", page.read_text())
    }
    assert named - known == set()


def test_pages_have_plain_words() -> None:
    """Pages are for people with any first language: no archaic word, and no one without a noun."""
    unwanted = re.compile(
        r"\b(affair|but for|incumbents?|mend(s|ed|ing)?|that costs|whoever)\b", re.IGNORECASE
    )
    found = {
        f"{page.name}: {word[0]}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for word in unwanted.finditer(_CODE.sub("", page.read_text()))
    }
    assert found == set()


def test_architecture_names_files_that_are_there() -> None:
    """Every file that the map names is in one of the roots, so that the map leads somewhere."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"[a-z_/]+\.py\b|nginx\.conf", text))
    roots = ("toolkit/mlberth", "train/mlberth_train", "serve/mlberth_serve", "local/mlberth_local")
    packages = [ROOT, *(ROOT / root for root in roots)]
    assert named
    assert {name for name in named if not any((package / name).exists() for package in packages)} == {
        "train.py",
        "inference.py",
    }
    assert len(text.splitlines()) <= 120  # two pages
