"""Finding, importing and binding a user's code."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.inference.load_handler import Handler, load_handler
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.load_errors import UserCodeError

PROJECTS = Path(__file__).parent.parent.parent / "projects"


def load(model_dir: Path, project: str = "", **environ: str) -> Handler:
    """Load the handler of a project copied into the model folder."""
    if project:
        shutil.copytree(PROJECTS / project, model_dir, dirs_exist_ok=True)
    settings = Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent), **environ})
    return load_handler(settings)


PROGRAM = """
def model_fn(model_dir):
    return {model}


def predict_fn(data, model):
    return model
"""


def write_program(folder: Path, model: str) -> None:
    """Write a program whose model is a text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inference.py").write_text(PROGRAM.format(model=repr(model)))


@pytest.mark.parametrize(
    ("folders", "expected"),
    [(["code"], "code"), (["code", "model/code"], "model/code"), (["code", "model/code", "given"], "given")],
)
def test_code_is_looked_for_in_order(model_dir: Path, folders: list[str], expected: str) -> None:
    """SAGEMAKER_SUBMIT_DIRECTORY comes before the model's code/, and that before /opt/ml/code."""
    base = model_dir.parent
    for folder in folders:
        write_program(base / folder, folder)
    environ = {"SAGEMAKER_SUBMIT_DIRECTORY": str(base / "given")} if "given" in folders else {}
    assert load(model_dir, **environ).model == expected


@pytest.mark.parametrize("name", ["serving/handler.py", "serving/handler"])
def test_program_has_the_name_that_is_asked_for(model_dir: Path, name: str) -> None:
    """The program may lie deeper, with or without .py; it imports from its own folder and the root."""
    assert load(model_dir, "custom_name", SAGEMAKER_PROGRAM=name).model == ["beside", "shared", "handler"]


def test_standard_library_is_safe_from_user_files(model_dir: Path) -> None:
    """A json.py beside the program breaks neither the program nor us; its helper is imported."""
    sys.modules.pop("json")
    try:
        handler = load(model_dir, "with_helper")
        assert sys.modules["json"].__file__ == json.__file__
    finally:
        sys.modules["json"] = json
    assert handler.model.bias == [1]


def test_loading_again_reads_the_files_again(model_dir: Path) -> None:
    """A second load sees what was changed, in helper modules too."""
    code = model_dir / "code"
    code.mkdir()
    (code / "inference.py").write_text("import helper\n" + PROGRAM.format(model="helper.VALUE"))
    for value in ("first", "the second"):
        (code / "helper.py").write_text(f"VALUE = {value!r}\n")
        assert load(model_dir).model == value


def test_loading_again_leaves_installed_modules_alone(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment inside the code folder is not the user's code, and is imported once."""
    packages = model_dir / "code" / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed.py").touch()
    monkeypatch.syspath_prepend(packages)
    (model_dir / "code" / "inference.py").write_text("import installed\n" + PROGRAM.format(model="installed"))
    first, second = load(model_dir).model, load(model_dir).model
    del sys.modules["installed"]
    assert first is second


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SAGEMAKER_PROGRAM": "missing.py"}, "SAGEMAKER_PROGRAM: found no file 'missing.py'"),
        ({"SAGEMAKER_PROGRAM": "../scale.py"}, "SAGEMAKER_PROGRAM: found no file '../scale.py'"),
        ({"SAGEMAKER_PROGRAM": "/nowhere/a"}, "SAGEMAKER_PROGRAM: found no file '/nowhere/a.py'"),
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "/nowhere"}, "SAGEMAKER_SUBMIT_DIRECTORY: found '/nowhere'"),
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "x" * 300}, "SAGEMAKER_SUBMIT_DIRECTORY: found 'xxx"),
        ({"SAGEMAKER_PROGRAM": "x" * 300}, "SAGEMAKER_PROGRAM: found no file 'xxx"),
    ],
)
def test_what_a_variable_names_must_be_there(model_dir: Path, environ: dict[str, str], named: str) -> None:
    """A program or folder that is asked for and missing is the configuration's fault."""
    (model_dir / "scale.py").touch()
    with pytest.raises(ContractError, match="SAGEMAKER") as caught:
        load(model_dir, "with_helper", **environ)
    assert str(caught.value).startswith(named)


def test_handler_with_the_name_of_a_module_in_use(model_dir: Path) -> None:
    """A handler cannot be called what Python's own module is called."""
    (model_dir / "code").mkdir()
    (model_dir / "code" / "json.py").write_text("def model_fn(model_dir): pass")
    with pytest.raises(ContractError, match=r"SAGEMAKER_PROGRAM: found json.py, the name of a module"):
        load(model_dir, SAGEMAKER_PROGRAM="json.py")


def test_default_program_that_is_asked_for_must_be_there(model_dir: Path) -> None:
    """inference.py is optional until the variable names it; an empty variable names nothing."""
    with pytest.raises(ContractError, match=r"no file 'inference.py'"):
        load(model_dir, SAGEMAKER_PROGRAM="inference.py")
    with pytest.raises(ModelLoadError, match="the model folder"):
        load(model_dir, SAGEMAKER_PROGRAM="")


def test_submitted_folder_without_the_program_is_an_error(model_dir: Path, tmp_path: Path) -> None:
    """A folder that is named must hold the program, the default one too."""
    with pytest.raises(ContractError, match=r"no file 'inference.py'"):
        load(model_dir, SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path))


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("fails_on_import", ("import", "", "broken.py", 2, "KeyError: 'weights'")),
        ("fails_in_model_fn", ("call", "model_fn", "inference.py", 7, "FileNotFoundError: ")),
        ("does_not_parse", ("import", "", "inference.py", 1, "SyntaxError: expected ':'")),
        ("exits", ("import", "", "inference.py", 3, "SystemExit: no GPU")),
    ],
)
def test_failure_names_the_line_of_the_users_code(
    model_dir: Path, project: str, expected: tuple[str, str, str, int, str]
) -> None:
    """What the user's code raises while it loads is told with phase, function, file, line and exception."""
    with pytest.raises(UserCodeError) as caught:
        load(model_dir, project)
    cause = caught.value.cause
    phase, function, file, line, exception = expected
    assert (cause.phase, cause.function, cause.file, cause.line) == (phase, function, file, line)
    assert cause.exception.startswith(exception)
    assert str(caught.value).startswith(f"{file}, line {line}")
    assert "mlberth_serve" not in cause.traceback
    assert cause.traceback.rstrip().endswith(cause.exception)


def test_every_wrong_signature_is_reported(model_dir: Path) -> None:
    """One error lists all faults of the functions, each with the signature that is expected."""
    with pytest.raises(ModelLoadError) as caught:
        load(model_dir, "wrong")
    found = [(fault.found, fault.expected) for fault in caught.value.faults]
    assert found == [
        ("a str", "model_fn(model_dir[, context])"),
        ("input_fn(data)", "input_fn(input_data, content_type[, context])"),
        ("an async function", "predict_fn(data, model[, context])"),
        ("transform_fn(model, data)", "transform_fn(model, data, content_type, accept[, context])"),
    ]


@pytest.mark.parametrize(
    "other", ["input_fn(data, content_type)", "predict_fn(data, model)", "output_fn(a, b)"]
)
def test_transform_fn_stands_alone(model_dir: Path, other: str) -> None:
    """transform_fn together with one of the three that it replaces is an error."""
    (model_dir / "code").mkdir()
    (model_dir / "code" / "inference.py").write_text(
        f"def transform_fn(model, data, content_type, accept): return data\n\n\ndef {other}: return 1\n"
    )
    with pytest.raises(ModelLoadError, match=f"transform_fn together with {other.partition('(')[0]}"):
        load(model_dir)


def test_model_of_no_framework_needs_predict_fn(model_dir: Path) -> None:
    """A model that no framework owns cannot be predicted with by default."""
    with pytest.raises(ModelLoadError, match=r"builtins.dict and no predict_fn"):
        load(model_dir, "unknown_model")
