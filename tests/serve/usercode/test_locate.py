"""Telling a handler from a training program without running either."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.errors import ModelLoadError
from mlberth_serve.inference.announcement import doubts
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.locate import find_program, is_handler


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("def model_fn(model_dir): pass", True),
        ("from shared import predict_fn", True),
        ("from shared import infer as predict_fn", True),
        ("from shared import *", True),
        ("transform_fn = make()", True),
        ("(input_fn, output_fn) = make()", True),
        ("try:\n    import x\nexcept ImportError:\n    def model_fn(d): pass", True),
        ("if True:\n    class predict_fn: pass", True),
        ("def broken(:", True),
        ("import train\ntrain.run()", False),
        ("def main():\n    def model_fn(d): pass\nmain()", False),
        ("", False),
    ],
)
def test_a_handler_has_a_function_of_the_contract(tmp_path: Path, source: str, is_one: object) -> None:
    """What counts is what the module binds; nothing is run."""
    path = tmp_path / "program.py"
    path.write_text(source)
    assert is_handler(path) is is_one


@pytest.mark.parametrize("name", ["train.py", "train.sh"])
@pytest.mark.parametrize("has_handler", [True, False])
def test_training_program_is_not_imported(tmp_path: Path, name: str, has_handler: object) -> None:
    """An image's training program is passed over, for inference.py where there is one."""
    code = tmp_path / "code"
    code.mkdir()
    (code / name).write_text("raise SystemExit('training')")
    if has_handler:
        (code / "inference.py").write_text("def model_fn(model_dir): pass")
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": name}
    found = find_program(Settings.from_environ(environ))
    assert (found.path if found else None) == (code / "inference.py" if has_handler else None)


def test_first_file_of_the_name_decides(tmp_path: Path) -> None:
    """A model's handler is used, though the image has a training program of the same name."""
    for folder, source in (("model/code", "def model_fn(model_dir): pass"), ("code", "print('training')")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.py").write_text(source)
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": "train.py"}
    found = find_program(Settings.from_environ(environ))
    assert found
    assert found.path == tmp_path / "model/code/train.py"


def test_program_that_is_passed_over_is_named(tmp_path: Path) -> None:
    """The log says which program is not imported."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("raise SystemExit('training')")
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": "train.py"}
    with pytest.raises(ModelLoadError, match="the model folder"):
        load_handler(Settings.from_environ(environ))
    no_handler = "SAGEMAKER_PROGRAM names 'train.py', which is no handler; it is not used"
    assert doubts(Settings.from_environ(environ)) == [no_handler]
