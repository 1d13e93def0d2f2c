"""Code that is a package: installed into its own environment, then run as a module."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest
from tests.train.running import SOURCES, Tree, ended


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh virtual environment, so that nothing is installed into ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin/python"


def seen(tree: Tree, python: Path, program: str) -> dict[str, object]:
    """Run `train` in an environment, and return what the program saw."""
    command = tree.start([python, "-m", "mlberth_train"], SAGEMAKER_PROGRAM=program, PYTHONPATH=SOURCES)
    run = ended(command)
    assert run.code == 0, run.err
    found: dict[str, object] = tree.seen()
    return found


def test_pyproject_with_a_source_folder(tree: Tree, python: Path) -> None:
    """`src/pkg/train.py` is installed by its build backend and runs as `pkg.train`."""
    tree.project("src_layout").config(hyperparameters={"epochs": "3"})
    expected = {"argv": ["--epochs", "3"], "package": "pkg", "value": 42, "version": "1.0"}
    assert seen(tree, python, "src/pkg/train.py") == expected
    installed = subprocess.run(
        [python, "-c", "import pkg; print(pkg.__file__)"], capture_output=True, text=True, check=True, cwd="/"
    )
    assert "site-packages" in installed.stdout


@pytest.mark.parametrize("program", ["pkg/train.py", "pkg.train"])
def test_setup_py(tree: Tree, python: Path, program: str) -> None:
    """A folder with a setup.py is installed; a nested program is named by its path or as a module."""
    tree.project("package")
    assert seen(tree, python, program) == {"argv": [], "package": "pkg", "value": 42, "version": "1.0"}


def test_package_that_cannot_be_built_is_a_dependency_error(tree: Tree, python: Path) -> None:
    """A build backend that fails ends the job with pip's words, before the program runs."""
    tree.project("src_layout").code(backend__py="raise ValueError('no build today')")
    command = tree.start(
        [python, "-m", "mlberth_train"], SAGEMAKER_PROGRAM="src/pkg/train.py", PYTHONPATH=SOURCES
    )
    assert ended(command).code == 69
    assert tree.failure.startswith("DependencyError: pip install .: exit code 1")
