"""Fixtures of the toolkit."""

from __future__ import annotations

import venv

import pytest


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of a fresh virtual environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    return str(folder / "bin/python")
