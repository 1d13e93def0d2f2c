"""Pickles under any name, of any model, and what is said of those that cannot be loaded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from sklearn.linear_model import LinearRegression
from tests.serve.conftest import LoadProject
from werkzeug.test import Client

from mlberth.errors import ModelLoadError
from mlberth_serve.app.application import Application
from mlberth_serve.frameworks.pickles import holds_pickle
from mlberth_serve.usercode.load_errors import UserCodeError

LINE = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])


def ask(application: Application, body: bytes = b"[[3.0]]") -> Any:
    """Return the prediction for a body."""
    answer = Client(application).post("/invocations", data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    return answer.json


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "model": bytes,
    "model.pickle": bytes,
    "finalized_model.sav": bytes,
    "model.dat": bytes,
    "model.bin": bytes,
    "model.pkl.gz": gzip.compress,
    "model.z": zlib.compress,
    "model.bz2": bz2.compress,
    "model.xz": lzma.compress,
    "model.lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize(("name", "pack"), PACKED.items())
def test_pickle_is_told_by_what_it_holds(
    model_dir: Path, load_project: LoadProject, name: str, pack: Callable[[bytes], bytes], protocol: int
) -> None:
    """Whatever it is called, compressed as joblib does or not."""
    (model_dir / name).write_bytes(pack(pickle.dumps(LINE, protocol)))
    (model_dir / "README.md").write_text("x")
    (model_dir / "data.csv.gz").write_bytes(gzip.compress(b"1,2"))
    assert ask(load_project()) == pytest.approx([6.0])


def test_little_is_unpacked_to_look_into_a_file(tmp_path: Path) -> None:
    """A few bytes tell, whatever a small file would unpack to."""
    (tmp_path / "model").write_bytes(bz2.compress(b"\x80\x04" + bytes(1 << 28)))
    tracemalloc.start()
    assert holds_pickle(tmp_path / "model")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["model.safetensors", "weights.npy", "data.json", "notes.txt"])
def test_name_of_plain_data_is_believed(model_dir: Path, load_project: LoadProject, name: str) -> None:
    """A pickle under a name that promises data is none, and is not loaded."""
    (model_dir / name).write_bytes(pickle.dumps(LINE))
    with pytest.raises(ModelLoadError):
        load_project()


def test_name_comes_before_content(model_dir: Path, load_project: LoadProject) -> None:
    """Beside a file that is a model by its name, others are left alone."""
    joblib.dump(LINE, model_dir / "model.joblib")
    (model_dir / "scaler.sav").write_bytes(pickle.dumps(LINE))
    assert ask(load_project()) == pytest.approx([6.0])


def test_booster_under_any_name(model_dir: Path, load_project: LoadProject) -> None:
    """XGBoost's own JSON and UBJSON too are told by what they hold."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    expected = booster.predict(xgboost.DMatrix([[1.0, 0, 0]])).tolist()
    for form in ("json", "ubj"):
        (model_dir / "model.bin").write_bytes(booster.save_raw(form))
        assert ask(load_project(), b"[[1, 0, 0]]") == pytest.approx(expected)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "xgboost-model", "model.sav"])
def test_pickled_booster_is_asked_as_one(model_dir: Path, load_project: LoadProject, name: str) -> None:
    """A pickle's model is asked as its own framework asks, not as the file's name would have it."""
    booster = xgboost.train({"nthread": 4}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    (model_dir / name).write_bytes(pickle.dumps(booster))
    assert ask(load_project(), b"[[1, 0, 0]]") == pytest.approx(
        booster.inplace_predict(np.eye(3)[:1]).tolist()
    )


def test_pickled_estimator_under_the_algorithms_name(model_dir: Path, load_project: LoadProject) -> None:
    """A pickled model of the scikit-learn interface named xgboost-model predicts labels."""
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(np.eye(4), [0, 1, 0, 1])
    (model_dir / "xgboost-model").write_bytes(pickle.dumps(model))
    assert ask(load_project(), b"[[1, 0, 0, 0]]") == model.predict(np.eye(4)[:1]).tolist()


def test_pickled_module_is_asked_as_one(model_dir: Path, load_project: LoadProject) -> None:
    """A module of PyTorch's that pickle saved is called, in evaluation mode."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.Dropout(0.9))
    torch.nn.init.constant_(module[0].weight, 2.0)
    (model_dir / "model.pkl").write_bytes(pickle.dumps(module))
    assert ask(load_project()) == [[6.0]]


def test_pickle_of_parts_is_for_an_own_predict_fn(model_dir: Path, load_project: LoadProject) -> None:
    """A map of a model and more is loaded where predict_fn knows what to do with it."""
    joblib.dump({"model": LINE, "add": 1}, model_dir / "model.joblib")
    with pytest.raises(ModelLoadError, match=r"found a dict; expected a model that has predict\(\)"):
        load_project()
    (model_dir / "code").mkdir()
    text = "def predict_fn(data, model): return model['model'].predict(data) + model['add']\n"
    (model_dir / "code/inference.py").write_text(text)
    assert ask(load_project()) == pytest.approx([7.0])


SAVE = """
import sys, joblib
sys.path.insert(0, {folder!r})
from sklearn.linear_model import LinearRegression
{imports}
class Own(LinearRegression):
    pass
joblib.dump({model}.fit([[0.0], [1.0]], [0.0, 2.0]), {path!r})
"""
MODULE = "from sklearn.linear_model import LinearRegression\nclass Line(LinearRegression):\n    pass\n"


def save(tmp_path: Path, model_dir: Path, imports: str, model: str) -> None:
    """Run a training program that saves a model of a class of its own, or of `lines.py`'s."""
    (tmp_path / "lines.py").write_text(MODULE)
    text = SAVE.format(
        folder=str(tmp_path), imports=imports, model=model, path=str(model_dir / "model.joblib")
    )
    subprocess.run([sys.executable, "-c", text], check=True)


@pytest.mark.parametrize(
    "handler", ["", "import joblib\ndef model_fn(d): return joblib.load(d + '/model.joblib')\n"]
)
def test_class_of_the_training_program(
    tmp_path: Path, model_dir: Path, load_project: LoadProject, handler: str
) -> None:
    """The commonest fault of all is named, with what to do, in an own model_fn too."""
    save(tmp_path, model_dir, "", "Own()")
    if handler:
        (model_dir / "code").mkdir()
        (model_dir / "code/inference.py").write_text(handler)
    with pytest.raises(ModelLoadError) as raised:
        load_project()
    message = str(raised.value)
    assert "an object of Own, which was defined in the program that saved the model" in message
    assert "Put Own into a file of its own" in message
    assert isinstance(raised.value, UserCodeError) == bool(handler)


def test_missing_module_is_named(tmp_path: Path, model_dir: Path, load_project: LoadProject) -> None:
    """It is not said that scikit-learn is missing."""
    save(tmp_path, model_dir, "import lines", "lines.Line()")
    with pytest.raises(ModelLoadError) as raised:
        load_project()
    message = str(raised.value)
    assert "model.joblib: found an object of the module 'lines', which is not here" in message
    assert "lines.py into the code folder" in message
    assert "sklearn" not in message


@pytest.mark.parametrize("code", ["model/code", "code"])
def test_code_folder_without_a_handler(
    tmp_path: Path, model_dir: Path, load_project: LoadProject, code: str
) -> None:
    """A module in the code folder is found by the pickle, and is read afresh on each load."""
    save(tmp_path, model_dir, "import lines", "lines.Line()")
    folder = model_dir.parent / code
    folder.mkdir()
    (folder / "train.py").write_text("raise SystemExit('not to be run')\n")
    (folder / "lines.py").write_text(MODULE)
    application = load_project(SAGEMAKER_PROGRAM="train.py")
    assert ask(application) == pytest.approx([6.0])
    (folder / "lines.py").write_text(MODULE + "    def predict(self, rows): return [0]\n")
    application.load()
    assert ask(application) == [0]
    (folder / "lines.py").write_text("class Line(:\n")
    with pytest.raises(ModelLoadError, match=r"model.joblib: found SyntaxError in lines.py, line 1: "):
        application.load()
    (folder / "lines.py").write_text("from sklearn.linear_model import Nothing\n")
    with pytest.raises(ModelLoadError, match=r"cannot import name 'Nothing'.* saved"):
        application.load()


def test_class_that_a_module_does_not_have(
    tmp_path: Path, model_dir: Path, load_project: LoadProject
) -> None:
    """A module of another version is named, with the version that is here if it was installed."""
    save(tmp_path, model_dir, "import lines", "lines.Line()")
    (model_dir / "code").mkdir()
    (model_dir / "code/lines.py").write_text("class Other: pass\n")
    with pytest.raises(ModelLoadError, match=r"an object of lines.Line, which is not in the lines"):
        load_project()
    content = pickle.dumps(LINE, 2).replace(b"sklearn.linear_model._base", b"sklearn.linear_model.basis")
    (model_dir / "model.joblib").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"linear_model.basis, which scikit-learn [\d.]+ does not have"):
        load_project()
