"""Code that is a package: installed into its own environment, then run as a module."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest
from tests.train.running import SOURCES, Ended, Tree, ended


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


SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
FLAT = f'{SETUPTOOLS}[project]\nname = "churn"\nversion = "0.1"\n'
POETRY_BUILD = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
POETRY = f"{POETRY_BUILD}[tool.poetry.dependencies]\n"


def train_offline(tree: Tree, python: Path, pyproject: str, program: str = "train.py") -> Ended:
    """Run `train` beside a pyproject.toml, without an index."""
    for name in ("models/__init__.py", "data/__init__.py", "configs/a.yaml"):
        (tree.layout.code / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.layout.code / name).touch()
    tree.code(pyproject__toml=pyproject, train__py="import models; print('ran')")
    environ = {"SAGEMAKER_PROGRAM": program, "PYTHONPATH": SOURCES, "PIP_NO_INDEX": "1"}
    return ended(tree.start([python, "-m", "mlberth_train"], **environ))


@pytest.mark.parametrize("pyproject", [FLAT, f'{POETRY}python = "^3.10"\n', FLAT + "dependencies = []\n"])
def test_project_that_cannot_be_built_runs_as_it_is(tree: Tree, python: Path, pyproject: str) -> None:
    """A script needs no package: without an index to build from, or with nothing to build, it runs."""
    run = train_offline(tree, python, pyproject)
    assert (run.code, run.out.splitlines()[-1]) == (0, "ran"), run.err
    assert "WARNING mlberth_train: pyproject.toml in " in run.err
    assert "its code runs from the folder as it is" in run.err


@pytest.mark.parametrize(
    "pyproject", [f'{FLAT}dependencies = ["no-such-mlberth"]\n', f'{POETRY}no-such-mlberth = "^1"\n']
)
def test_dependencies_of_such_a_project_are_installed(tree: Tree, python: Path, pyproject: str) -> None:
    """What it depends on is asked of pip all the same, and what cannot be had ends the job."""
    run = train_offline(tree, python, pyproject)
    assert (run.code, "ran" in run.out) == (69, False)
    assert "no-such-mlberth" in tree.failure


def test_module_of_the_folder_needs_no_package(tree: Tree, python: Path) -> None:
    """A package that lies in the folder is found from there."""
    (tree.layout.code / "models").mkdir(parents=True)
    (tree.layout.code / "models/run.py").write_text("from . import __name__; print('ran', __name__)")
    run = train_offline(tree, python, FLAT, "models/run.py")
    assert (run.code, run.out.splitlines()[-1]) == (0, "ran models"), run.err
