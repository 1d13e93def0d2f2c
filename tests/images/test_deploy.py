"""The files of examples/deploy, run."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from tests.docs.commands import commands
from tests.images.conftest import Image
from tests.images.engine import ROOT
from tests.images.pages import Shell

PROJECT = ROOT / "tests/projects/four_functions"


def lay_out(folder: Path) -> Path:
    """Make a model folder with its handler, which anybody may read."""
    shutil.copytree(PROJECT, folder)
    return folder


def test_compose(shell: Shell, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's commands start a server, get an answer, and remove it."""
    monkeypatch.setenv("IMAGE", image("serve", "sklearn"))
    lay_out(shell.folder / "ml/model")
    shutil.copytree(ROOT / "examples/deploy", shell.folder / "examples/deploy")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"mlberth-tests-{uuid.uuid4().hex[:8]}")
    (script,) = commands("docs/how-to/deploy.md", "compose")
    down = script.splitlines()[-1]
    try:
        assert "51.0;35.0;14.0;2.0" in shell.run(script)
    finally:
        shell.run(f'export MODEL_DIR="$PWD"\n{down}')
