"""The examples, built and run by the commands of their page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import ROOT
from tests.images.pages import Shell, blocks, sections

EXAMPLES = ROOT / "examples"
SECTIONS = sections(EXAMPLES / "README.md")
IN_CONTAINERS = sorted(set(SECTIONS) - {"Prepare", "Ask"})
LEFT_OUT = shutil.ignore_patterns("__pycache__")
_OURS = re.compile(r"mlberth-(train|serve):(\w+)")


def check_out(shell: Shell) -> None:
    """Give the shell's folder what a checkout has after `make images`."""
    shutil.copytree(EXAMPLES, shell.folder / "examples", ignore=LEFT_OUT)
    shutil.copytree(ROOT / "dist", shell.folder / "dist")


def uses(name: str) -> list[tuple[str, str]]:
    """Return kind and flavour of the images that an example starts from, or runs."""
    dockerfile = EXAMPLES / name / "Dockerfile"
    text = SECTIONS[name] + (dockerfile.read_text() if dockerfile.exists() else "")
    return _OURS.findall(text)


@pytest.mark.parametrize("name", IN_CONTAINERS)
def test_example_trains_and_answers(name: str, shell: Shell, image: Image) -> None:
    """The page's commands train, serve and get the page's answer; the model is the caller's."""
    for kind, flavour in uses(name):
        image(kind, flavour)
    check_out(shell)
    commands = [
        *blocks(SECTIONS["Prepare"], "sh"),
        *blocks(SECTIONS[name], "sh"),
        *blocks(SECTIONS["Ask"], "sh"),
    ]
    output = shell.run("".join(commands))
    (answer,) = blocks(SECTIONS[name], "text")
    assert answer.strip() in output
    model = [path for path in (shell.folder / "ml/model").rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in model} == {shell.user}
    if name == "mpi":
        assert "rank 0 of 2: 75 rows" in output
        assert "rank 1 of 2: 75 rows" in output


def test_demo_runs_in_the_images(tmp_path: Path, image: Image) -> None:
    """The demo trains and serves its two models in containers, as well as it does without."""
    for flavour in ("sklearn", "xgboost"):
        image("serve", flavour)
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=LEFT_OUT)
    argv = [sys.executable, str(tmp_path / "examples/demo.py"), "docker"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("stopped in") == 2
    assert done.stdout.count("docker run") == 4


def test_every_example_is_on_the_page() -> None:
    """The page lists every folder that holds a program, and tells how to run it in containers or the demo."""
    programs = {
        path.parent.name
        for name in ("train*", "inference.py", "jobs.sh")
        for path in EXAMPLES.glob(f"*/{name}")
    }
    listed = set(re.findall(r"^\| \[.*?\]\((.*?)/\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert listed == programs
    assert programs - set(IN_CONTAINERS) == {
        "chat",
        "platform",
        "sklearn",
        "xgboost",
    }  # tests of their own, and the demo
