"""Model folders without a model, or that cannot be read: the error names folder and what was looked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.control.install_code import needs_preparation
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings

NOBODY = 65534
LOOKED_FOR = r"expected one model file \(xgboost: .*sklearn: .*torch: .*onnx: "


def settings(model_dir: Path, **environ: str) -> Settings:
    """Return settings of an /opt/ml tree."""
    return Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent), **environ})


def make_missing(model_dir: Path) -> None:
    model_dir.rmdir()


def make_file(model_dir: Path) -> None:
    model_dir.rmdir()
    model_dir.touch()


def make_loop(model_dir: Path) -> None:
    model_dir.rmdir()
    model_dir.symlink_to(model_dir)


def make_looping_model(model_dir: Path) -> None:
    (model_dir / "model.joblib").symlink_to(model_dir / "model.joblib")


def make_loop_in_the_tree(model_dir: Path) -> None:
    (model_dir / "deep").mkdir()
    (model_dir / "deep/model").symlink_to(model_dir)


def make_folder(model_dir: Path) -> None:
    (model_dir / "model.joblib").mkdir()


def make_two(model_dir: Path) -> None:
    (model_dir / "a.joblib").touch()
    (model_dir / "b.onnx").touch()


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda _: None, "nothing in it"),
        (make_missing, "no such folder"),
        (make_file, "no such folder"),
        (make_loop, "model: Too many levels of symbolic links"),
        (make_looping_model, "no model file among model.joblib"),
        (make_folder, "no model file among model.joblib"),
        (make_loop_in_the_tree, "no model file among deep"),
        (make_two, "several model files: a.joblib, b.onnx"),
    ],
    ids=["empty", "missing", "file", "loop", "looping model", "folder", "loop in the tree", "two"],
)
def test_folder_without_one_model(model_dir: Path, make: Callable[[Path], None], found: str) -> None:
    """The error says what was found there and what is looked for; a loop of links is no endless one."""
    make(model_dir)
    with pytest.raises(ModelLoadError, match=f"the model folder {model_dir}: found {found}; {LOOKED_FOR}"):
        load_handler(settings(model_dir))


def test_model_of_a_terabyte_of_nothing(model_dir: Path) -> None:
    """No file is read without end: the error names it."""
    with (model_dir / "model.joblib").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ModelLoadError, match=r"^model\.joblib: found "):
        load_handler(settings(model_dir))


@pytest.mark.parametrize("make", [make_file, make_loop], ids=["file", "loop"])
def test_folder_of_an_ensemble(model_dir: Path, make: Callable[[Path], None]) -> None:
    """Algorithm mode, which has its own way to find models, says the same."""
    pytest.importorskip("xgboost")
    from mlberth_serve.profiles.xgboost_ensemble import load_ensemble

    make(model_dir)
    with pytest.raises(ModelLoadError, match=f"the model folder {model_dir}: found "):
        load_ensemble(model_dir, whole=True, safe_only=False)


def error_as_nobody(load: Callable[[], object]) -> str:
    """Return what a load raises in a process of a user without rights; root may read everything."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            load()
            os.write(writer, b"loaded")
        except BaseException as error:  # noqa: BLE001 - the parent tells them apart
            os.write(writer, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as file:
        return file.read()


@pytest.fixture
def model_dir_for_all() -> Iterator[Path]:
    """Return an empty model folder below folders that everybody may enter, as pytest's own need not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "ml/model").mkdir(parents=True)
        yield folder / "ml/model"


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        ("", "ModelLoadError: {}/code: found Permission denied;"),
        ("code", "ModelLoadError: {}/code: found Permission denied;"),
        ("model.json", "ModelLoadError: the model folder {}: found model.json: Permission denied"),
        ("model.onnx", "ModelLoadError: model.onnx: found "),
    ],
)
def test_what_may_not_be_read(model_dir_for_all: Path, locked: str, said: str) -> None:
    """A folder or a file that we may not read is named; it never counts as one that is not there."""
    if locked.endswith(".onnx"):
        pytest.importorskip("onnxruntime")
    model_dir = model_dir_for_all
    (model_dir / "code").mkdir()
    if "." in locked:
        (model_dir / locked).touch()
    (model_dir / locked).chmod(0)
    made = settings(model_dir)
    try:
        assert error_as_nobody(lambda: load_handler(made)).startswith(said.format(model_dir))
    finally:
        (model_dir / locked).chmod(0o755)


@pytest.mark.parametrize(
    "program",
    ["-c", "a\nb", "inference.py\n", "x" * 300, "../model.py", "/gone/inference.py", "code", "$(id)"],
)
def test_program_that_is_none(model_dir: Path, program: str) -> None:
    """No name of a program is an option or a command: it is a file of the code folder, or an error."""
    (model_dir / "code/code").mkdir(parents=True)
    (model_dir / "model.py").touch()
    with pytest.raises(ContractError, match="SAGEMAKER_PROGRAM: found no file '") as caught:
        load_handler(settings(model_dir, SAGEMAKER_PROGRAM=program))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("value", ["-c", "-c import os", "a\nb", "a; b", "$(id)"])
@pytest.mark.parametrize(
    "name", ["SAGEMAKER_SUBMIT_DIRECTORY", "SAGEMAKER_SERVING_MODULE", "SAGEMAKER_SERVICE_MODULE"]
)
def test_code_that_is_none(model_dir: Path, name: str, value: str) -> None:
    """No name of a folder or a module is an option or a command; the one line of the message names it."""
    with pytest.raises(ContractError, match=name) as caught:
        needs_preparation(settings(model_dir, **{name: value}))
    assert "\n" not in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(("safe", "expected"), [("false", True), ("true", False)])
def test_requirements_of_a_model_without_a_handler(model_dir: Path, safe: str, expected: bool) -> None:
    """They are installed from the model's `code/`, unless nothing that runs code may come with a model."""
    (model_dir / "code").mkdir()
    (model_dir / "code/requirements.txt").write_text("xgboost\n")
    assert needs_preparation(settings(model_dir, SAGEMAKER_SAFE_MODELS_ONLY=safe)) is expected
    other = model_dir.parent / "code"  # where an image that trains has what it trains with
    other.mkdir()
    (model_dir / "code/requirements.txt").rename(other / "requirements.txt")
    assert not needs_preparation(settings(model_dir))
