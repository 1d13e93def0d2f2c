"""What handlers import of `mlberth_serve`: every name from the package itself, each when it is asked for."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import mlberth_serve

DOCS = Path(__file__).parents[2] / "docs"


def test_starting_imports_none_of_them() -> None:
    """`import mlberth_serve` imports no other module of ours, and no package."""
    code = "import sys; before = set(sys.modules); import mlberth_serve; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) == {"mlberth_serve", "__future__"}


@pytest.mark.parametrize("name", mlberth_serve.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """`from mlberth_serve import NAME` works, and `dir()` shows it."""
    assert getattr(mlberth_serve, name) is not None
    assert name in dir(mlberth_serve)


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is refused in Python's own words."""
    with pytest.raises(AttributeError, match="has no attribute 'Held'"):
        _ = mlberth_serve.Held


@pytest.mark.parametrize("name", mlberth_serve.__all__)
def test_annotations_can_be_read(name: str) -> None:
    """`typing.get_type_hints` works on what is published, as tools for documentation need it."""
    value = getattr(mlberth_serve, name)
    functions = [value, *(member for _, member in inspect.getmembers(value, inspect.isfunction))]
    for function in functions:
        assert isinstance(typing.get_type_hints(function), dict)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_documentation_imports_public_names_alone(page: Path) -> None:
    """No page shows a module of ours from the inside."""
    found = re.findall(
        r"(?:from |`@?|\"|import )(mlberth_serve[\w.]*)(?: import ([\w, ]+))?", page.read_text()
    )
    for module, names in found:
        public = module.removeprefix("mlberth_serve").removeprefix(".")
        assert public in {"", *mlberth_serve.__all__}, module
        assert {name.strip() for name in names.split(",") if name} <= set(mlberth_serve.__all__)
