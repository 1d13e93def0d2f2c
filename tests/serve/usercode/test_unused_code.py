"""Code that looks like a handler and is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_serve.settings import Settings
from mlberth_serve.usercode.locate import find_program
from mlberth_serve.usercode.unused_code import unused_code

ROOT = Path(__file__).parent.parent.parent.parent
MODEL = "def model_fn(d): return 1\n"
WANTED = "expected model_fn, input_fn, predict_fn, output_fn or transform_fn"


def found(base: Path, **environ: str) -> list[str]:
    """Return what is said of the code below a base folder, by paths relative to it."""
    settings = Settings({"SAGEMAKER_BASE_DIR": str(base), **environ})
    return [text.replace(f"{base}/", "") for text in unused_code(settings, find_program(settings))]


def write(base: Path, **files: str) -> Path:
    """Write files; `__` in a name is a slash, and each is Python."""
    for name, text in files.items():
        path = base / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return base


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("predict_func", "predict_fn"),
        ("predict_function", "predict_fn"),
        ("predictfn", "predict_fn"),
        ("predict", "predict_fn"),
        ("Predict_fn", "predict_fn"),
        ("predcit_fn", "predict_fn"),
        ("inference", "predict_fn"),
        ("input_handler", "input_fn"),
        ("preprocess", "input_fn"),
        ("preprocess_fn", "input_fn"),
        ("output_func", "output_fn"),
        ("postprocess", "output_fn"),
        ("warm_up_fn", "model_warmup_fn"),
        ("execution_parameters", "execution_parameters_fn"),
    ],
)
def test_a_function_of_almost_the_right_name(tmp_path: Path, name: str, meant: str) -> None:
    """The default of a function that is there under another name would answer in silence."""
    write(tmp_path, code__inference=f"{MODEL}def {name}(*a): return 1\n")
    assert found(tmp_path) == [f"code/inference.py: nothing calls {name}: did you mean {meant}?"]


@pytest.mark.parametrize(
    "more",
    [
        "def predict(d): return 1\ndef predict_fn(d, m): return predict(d)\n",
        "def predict(d): return 1\ndef predict_fn(d, m): return 1\n",
        "def preprocess(d): return 1\ndef predict_fn(d, m): return preprocess(d)\n",
        "def _predict(d): return 1\n",
        "@register\ndef predict(d): return 1\n",
        "def main(): pass\ndef helper(): pass\ndef train(): pass\n",
        "def transform_fn(m, d, c, a): return 1\ndef predict(d): return 1\n",
        "predict = 3\nclass Predict: pass\n",
        "from helper import *\ndef predict(d): return 1\n",
    ],
)
def test_helpers_are_let_be(tmp_path: Path, more: str) -> None:
    """What the module uses itself, what is there under its right name, and what means nothing to us."""
    write(tmp_path, code__inference=MODEL + more)
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            "def load_fn(d): return 1\ndef predict(d): return 1\n",
            (
                f"it has load_fn, predict; {WANTED} "
                "(did you write load_fn for model_fn, predict for predict_fn?)"
            ),
        ),
        ("def main(): pass\n", f"it has main; {WANTED}"),
        ("x = 1\n", f"it has no function; {WANTED}"),
        (
            "class Handler:\n    def model_fn(self, d): pass\n    def predict_fn(self, d, m): pass\n",
            f"it has Handler.model_fn, Handler.predict_fn; {WANTED}, outside of any class",
        ),
    ],
)
def test_a_handler_of_which_nothing_is_called(tmp_path: Path, program: str, said: str) -> None:
    """The file is imported, and the default serves."""
    write(tmp_path, model__code__inference=program)
    assert found(tmp_path) == [f"model/code/inference.py: nothing in it is called: {said}"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("code__predictor", "expected the name code/inference.py, or SAGEMAKER_PROGRAM=predictor.py"),
        ("code__Inference", "expected the name code/inference.py, or SAGEMAKER_PROGRAM=Inference.py"),
        ("code__train", "expected the name code/inference.py, or SAGEMAKER_PROGRAM=train.py"),
        (
            "code__src__inference",
            "the name code/inference.py, or SAGEMAKER_PROGRAM=src/inference.py",
        ),
        ("model__code__handler", "the name model/code/inference.py, or SAGEMAKER_PROGRAM=handler.py"),
        ("model__inference", "expected it in model/code/ or code/"),
        ("model__src__inference", "expected it in model/code/ or code/"),
        ("inference", "expected it in model/code/ or code/"),
    ],
)
def test_a_handler_in_almost_the_right_place(tmp_path: Path, name: str, expected: str) -> None:
    """A file with a handler's functions that nobody imports, beside a model that a default serves."""
    write(tmp_path, **{name: f"{MODEL}def predict_fn(d, m): return 1\n"})
    path = f"{name.replace('__', '/')}.py"
    (text,) = found(tmp_path)
    assert text.startswith(f"{path} has model_fn, predict_fn, and is not used: ")
    assert text.endswith(expected)


def test_a_handler_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of somebody who starts `serve` beside an inference.py."""
    here = write(tmp_path / "here", inference=MODEL)
    monkeypatch.chdir(here)
    (text,) = found(tmp_path / "ml")
    assert text == f"{here}/inference.py has model_fn, and is not used: expected it in model/code/ or code/"


@pytest.mark.parametrize(
    ("files", "environ"),
    [
        ({"code__helper": "def load(): pass\n", "code__broken": "def (", "model__notes": "x = 1"}, {}),
        ({"code__inference": MODEL, "code__other": MODEL, "model__inference": MODEL}, {}),
        ({"code__app": "app = 1\n", "code__inference": "x = 1"}, {"SAGEMAKER_SERVING_MODULE": "app:app"}),
        ({"code__predictor": MODEL}, {"SAGEMAKER_SAFE_MODELS_ONLY": "true"}),
        ({"code__utils": "class Timer:\n    def handle(self): pass\n"}, {}),
    ],
)
def test_nothing_is_said_of(tmp_path: Path, files: dict[str, str], environ: dict[str, str]) -> None:
    """Other files, those beside a handler that is used, and code of servers that use none."""
    settings = Settings({"SAGEMAKER_BASE_DIR": str(write(tmp_path, **files)), **environ})
    program = find_program(settings) if not environ else None
    assert unused_code(settings, program) == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("tests/projects", "examples", "bench")
        for path in sorted((ROOT / folder).rglob("inference.py"))
        # Two that end before they have any function, and one whose functions have no caller on purpose.
        if not {"exits", "fails_on_import", "streams"} & set(path.parts)
    ],
    ids=lambda path: path.parts[-3] if path.parts[-2] == "code" else path.parts[-2],
)
def test_handlers_that_are_right_are_not_doubted(tmp_path: Path, path: Path) -> None:
    """The handlers of our own tests and examples, written for us and for other containers."""
    write(tmp_path, code__inference=path.read_text())
    assert found(tmp_path) == []
