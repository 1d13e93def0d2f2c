"""The training side on every interpreter of the machine, with nothing but the standard library."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from tests.train.running import SOURCES, Tree, ended

VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def interpreters() -> dict[str, str]:
    """Return the interpreters of the supported versions, on PATH or installed by pyenv."""
    found = {}
    for version in VERSIONS:
        name = f"python{version}"
        by_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
        path = str(by_pyenv[-1]) if by_pyenv else shutil.which(name)
        if path:
            found[version] = path
    return found


@pytest.fixture(params=interpreters().items(), ids=lambda item: item[0])
def python(request: pytest.FixtureRequest) -> str:
    """Return one interpreter."""
    path: str = request.param[1]
    return path


def test_job_succeeds_and_fails_as_everywhere(tree: Tree, python: str) -> None:
    """Arguments, variables, the hook, success and failure are the same on each version."""
    argv = [python, "-m", "mlberth_train"]
    tree.project("script").config(hyperparameters={"epochs": "3"})
    run = ended(tree.start(argv, PYTHONPATH=SOURCES))
    assert (run.code, run.out) == (0, "trained\n"), run.err
    assert tree.seen()["argv"][1:] == ["--epochs", "3"]
    tree.code(train__py="def f():\n    raise ValueError('boom')\nf()")
    assert ended(tree.start(argv, PYTHONPATH=SOURCES)).code == 1
    assert tree.failure.startswith(
        "ValueError: boom\n  at train.py:2 in f: raise ValueError('boom')\nExit code 1 on "
    )
    assert ended(tree.start([*argv, "--explain"], PYTHONPATH=SOURCES)).code == 0


@pytest.mark.parametrize("hostile", [False, True])
def test_archive_is_unpacked_or_refused(tree: Tree, python: str, tmp_path: Path, hostile: bool) -> None:
    """The extractor holds on interpreters without, or with an unpatched, tar filter."""
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("train.py")
        tar.addfile(entry, io.BytesIO())
        if hostile:
            entry = tarfile.TarInfo("link")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
            tar.addfile(entry)
    argv = [python, "-m", "mlberth_train"]
    run = ended(tree.start(argv, PYTHONPATH=SOURCES, SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "a.tar.gz")))
    assert run.code == (78 if hostile else 0), run.err
    assert list(tree.layout.code.iterdir()) == ([] if hostile else [tree.layout.code / "train.py"])
