"""What somebody gets who starts an image without what it needs: one clear message, a documented exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import Engine


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree for /opt/ml that has everything but a program and a model, open to every user."""
    for name in ("input/data/training", "model", "output", "code"):
        (tmp_path / name).mkdir(parents=True)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777)
    return tmp_path


def as_somebody(tree: Path, mode: str = "rw") -> list[str]:
    """Return the options of a user who is not root, and mounts a tree."""
    return ["--user=4321:4321", f"--volume={tree}:/opt/ml:{mode}"]


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one error of a log in which nobody sees a traceback."""
    assert "Traceback" not in done.stderr
    levels = (" ERROR ", " CRITICAL ")
    (error,) = [line for line in done.stderr.splitlines() if any(level in line for level in levels)]
    return error


@pytest.mark.parametrize(
    ("command", "exit_code", "said"),
    [
        ("train", 78, "SAGEMAKER_PROGRAM: found nothing; expected a program in /opt/ml/code"),
        ("process", 78, "expected a program in /opt/ml/processing/input/code"),
        ("serve", 65, "the model folder /opt/ml/model: found no such folder; expected one model file"),
    ],
    ids=["train", "process", "serve"],
)
def test_nothing_is_mounted(command: str, exit_code: int, said: str, engine: Engine, image: Image) -> None:
    """Without an /opt/ml, the message names what is missing and where it is looked for."""
    done = engine.run(image("serve", "base"), command)
    assert done.returncode == exit_code, done.stderr
    assert said in error_of(done)


def test_nobody_may_make_the_tree(engine: Engine, image: Image) -> None:
    """A user who may not make what is missing in /opt/ml is told so."""
    done = engine.run(image("train", "base"), options=["--user", "4321:4321"])
    assert done.returncode == 78, done.stderr
    assert "/opt/ml/model: found that user 4321 cannot make it" in error_of(done)


def test_train_without_a_program(tree: Path, engine: Engine, image: Image) -> None:
    """The message says how to name a program and that none is there, and output/failure says the same."""
    done = engine.run(image("train", "base"), options=as_somebody(tree))
    assert done.returncode == 78, done.stderr
    for said in ("Set SAGEMAKER_PROGRAM or the hyperparameter sagemaker_program", "/opt/ml/code is empty."):
        assert said in error_of(done)
        assert said in (tree / "output/failure").read_text()


def test_serve_without_a_model(tree: Path, engine: Engine, image: Image) -> None:
    """An empty model folder ends the server at once; the message says what may be in it."""
    done = engine.run(image("serve", "base"), options=as_somebody(tree))
    assert done.returncode == 65, done.stderr
    expected = (
        "CRITICAL mlberth_serve: the model folder /opt/ml/model: found nothing in it; expected one model"
    )
    assert expected in error_of(done)


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_mount_that_the_user_cannot_write(mode: str, tree: Path, engine: Engine, image: Image) -> None:
    """A tree of somebody else's, or mounted read-only: the program does not run, and the folder is named."""
    (tree / "code/train.py").write_text("print('trained')")
    if mode == "rw":
        for path in (tree, *tree.rglob("*")):
            path.chmod(0o755)
    done = engine.run(image("train", "base"), options=as_somebody(tree, mode))
    assert done.returncode == 78, done.stderr
    error = error_of(done)
    assert "/opt/ml/model: found that user 4321 cannot write to it" in error
    assert "docker run --user" in error
    assert "earlier run" not in done.stderr
    assert done.stdout == ""
