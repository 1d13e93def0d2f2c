"""What programs import: light to import, and its annotations are real types for whoever reads them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlberth
import mlberth.checkpoints
import mlberth_train
from mlberth.contract.environment import Environment
from mlberth.contract.hosts import Hosts
from mlberth.errors import Fault

ROOT = Path(__file__).parent.parent.parent
# The compatibility packages are importable under their own names alone.
MODULES = [
    found.name
    for package in (mlberth, mlberth_train)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.startswith("mlberth.compat.sagemaker_")
]
# A start that imports what every job needs, with no site-packages that could import `typing` before us.
START = f"""
import sys
sys.path += [{str(ROOT / "toolkit")!r}, {str(ROOT / "train")!r}]
import mlberth, mlberth_train.__main__, mlberth_train.jobs.training
assert "typing" not in sys.modules, "imported"
import typing
print(typing.get_type_hints(mlberth.environment)["return"].__name__)
"""


def annotated(module: object, name: str) -> Iterator[typing.Any]:
    """Yield the functions and classes that a module defines, with the methods of the classes."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) == name and (
            inspect.isclass(value) or inspect.isfunction(value)
        ):
            yield value
            if inspect.isclass(value):
                yield from filter(inspect.isfunction, map(underlying, vars(value).values()))


def underlying(member: typing.Any) -> object:
    """Return the function of a property, class method or static method; anything else as it is."""
    return member.fget if isinstance(member, property) else getattr(member, "__func__", member)


@pytest.mark.parametrize("name", ["mlberth", *MODULES])
def test_annotations_are_types(name: str) -> None:
    """`typing.get_type_hints` reads every function, method and class of the toolkit and the training side."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    for value in annotated(module, name):
        hints = typing.get_type_hints(value)
        assert set(hints) >= set(getattr(value, "__annotations__", {})), value


def test_annotations_are_the_real_types() -> None:
    """What stands in an annotation by the name of `typing` is what `typing` has."""
    assert typing.get_type_hints(mlberth.environment)["return"] is Environment
    assert typing.get_type_hints(Hosts)["topology"] is typing.Any
    assert typing.get_type_hints(Environment)["checkpoint_config"] == dict[str, typing.Any]
    assert typing.get_type_hints(Fault) == dict.fromkeys(("where", "found", "expected", "action"), str)
    assert typing.get_type_hints(mlberth.checkpoints.store)["return"] is mlberth.checkpoints.Store


def test_a_start_does_without_typing() -> None:
    """`typing` is imported by whoever reads annotations, not by a job that waits."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", START], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("Environment\n", "")


@pytest.mark.parametrize("package", [mlberth, mlberth.checkpoints], ids=lambda package: package.__name__)
def test_public_names_are_there(package: typing.Any) -> None:
    """`__all__` promises nothing that is missing."""
    assert all(hasattr(package, name) for name in package.__all__)
