"""Models that are served without any code of the user's."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlberth.errors import ModelLoadError
from mlberth_serve.codecs import CODECS
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks import find_model, find_owner
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import Handler, load_handler
from mlberth_serve.media_types import CSV, NPY
from mlberth_serve.settings import Settings

IRIS, SPECIES = load_iris(return_X_y=True)
CANCER, BENIGN = load_breast_cancer(return_X_y=True)


def load(model_dir: Path) -> Handler:
    """Load what lies in the model folder."""
    return load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))


def predict(handler: Handler, data: Any, content_type: str = CSV) -> Any:
    """Ask a handler's model."""
    assert handler.predict_fn
    return handler.predict_fn(data, handler.model, Context(content_type=content_type))


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """Return a classifier of irises."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, SPECIES)


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    """Return a classifier of tumours."""
    data = xgboost.DMatrix(CANCER, BENIGN)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, num_boost_round=5)


def save_skops(model: Any, path: Path) -> None:
    """Save a model as skops does; to import skops takes longer than all else of these tests."""
    import skops.io

    skops.io.dump(model, path)


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "classifier.skops"])
def test_sklearn_models_load_and_predict(model_dir: Path, pipeline: Any, name: str) -> None:
    """A model that joblib, pickle or skops saved predicts as it did before."""
    save = {".joblib": joblib.dump, ".skops": save_skops}.get(Path(name).suffix)
    if save:
        save(pipeline, model_dir / name)
    else:
        (model_dir / name).write_bytes(pickle.dumps(pipeline))
    handler = load(model_dir)
    np.testing.assert_array_equal(predict(handler, IRIS), pipeline.predict(IRIS))
    assert predict(handler, IRIS[0]).shape == (1,)


def test_pickles_are_warned_of(model_dir: Path, pipeline: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A pickle, which joblib's files are too, loads with a warning that names skops; a skops file without."""
    joblib.dump(pipeline, model_dir / "model.joblib")
    load(model_dir)
    assert [record.levelno for record in caplog.records if "skops" in record.message] == [logging.WARNING]
    caplog.clear()
    (model_dir / "model.joblib").unlink()
    save_skops(pipeline, model_dir / "model.skops")
    load(model_dir)
    assert caplog.records == []


class Unheard(DecisionTreeClassifier):  # type: ignore[misc]
    """A type that skops does not know."""


def test_skops_does_not_trust_unknown_types(model_dir: Path) -> None:
    """A skops file with a type that skops does not trust is refused, and the type is named."""
    save_skops(Unheard().fit(IRIS, SPECIES), model_dir / "model.skops")
    with pytest.raises(ModelLoadError, match="Unheard"):
        load(model_dir)


def test_sklearn_models_use_one_thread(model_dir: Path) -> None:
    """A model that was trained on all CPUs predicts on one: there is a worker for each."""
    model = make_pipeline(RandomForestClassifier(n_estimators=2, n_jobs=-1, random_state=0)).fit(
        IRIS, SPECIES
    )
    joblib.dump(model, model_dir / "model.joblib")
    assert load(model_dir).model[0].n_jobs == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (IRIS[:, :3], "rows of 4 cells; the body's have 3"),
        (np.array([["a", 1, 2, 3]], dtype=object), "which hold text"),
        (np.array([[np.nan, 1, 2, 3]]), "missing or infinite"),
        (np.array([]), "array of 0"),
        (np.array(5.0), "no dimensions"),
        (np.zeros((1, 1, 4)), "array of 1 x 1 x 4"),
        (np.array([["a", "b", "c", "d"], [1.0, 2.0, 3.0, 4.0]], dtype=object), "header=present"),
    ],
)
def test_rows_that_do_not_fit_sklearn_are_the_clients_fault(pipeline: Any, data: Any, message: str) -> None:
    """Rows that the model cannot use are 400, with the reason."""
    framework = find_owner(pipeline)
    assert framework
    with pytest.raises(BadRequestError) as caught:
        framework.make_predict(pipeline)(data, pipeline, Context())
    assert message in caught.value.message


@pytest.mark.parametrize(
    "name", ["model.ubj", "model.json", "xgboost-model", "xgboost-model as JSON", "pickled"]
)
def test_xgboost_models_load_and_predict(model_dir: Path, booster: Any, name: str) -> None:
    """A Booster predicts as it did before, from each form in which it is saved."""
    path = model_dir / (name if "." in name else "xgboost-model")
    if name == "pickled":
        path.write_bytes(pickle.dumps(booster))
    else:
        path.write_bytes(booster.save_raw("json" if "json" in name.lower() else "ubj"))
    handler = load(model_dir)
    expected = booster.predict(xgboost.DMatrix(CANCER))
    np.testing.assert_allclose(predict(handler, CANCER), expected, rtol=1e-6)
    np.testing.assert_allclose(predict(handler, xgboost.DMatrix(CANCER)), expected, rtol=1e-6)
    np.testing.assert_allclose(predict(handler, CANCER[0]), expected[:1], rtol=1e-6)
    assert '"nthread":"1"' in handler.model.save_config()


def test_xgboost_knows_missing_cells(model_dir: Path, booster: Any) -> None:
    """An empty cell is what XGBoost calls missing."""
    booster.save_model(model_dir / "model.ubj")
    row = CANCER[:1].copy()
    row[0, 20:] = np.nan
    expected = booster.predict(xgboost.DMatrix(row))
    np.testing.assert_allclose(predict(load(model_dir), row), expected, rtol=1e-6)


def test_xgboost_linear_models_predict(model_dir: Path) -> None:
    """A linear booster, which cannot predict in place, predicts too."""
    booster = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(IRIS, SPECIES), 3)
    booster.save_model(model_dir / "model.ubj")
    expected = booster.predict(xgboost.DMatrix(IRIS))
    np.testing.assert_allclose(predict(load(model_dir), IRIS), expected, rtol=1e-6)


def test_xgboost_stops_at_the_best_iteration(model_dir: Path) -> None:
    """After early stopping the rounds beyond the best one are left out."""
    data, held_out = xgboost.DMatrix(CANCER[:60], BENIGN[:60]), xgboost.DMatrix(CANCER[60:], BENIGN[60:])
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 1, "max_depth": 8, "nthread": 1},
        data,
        30,
        evals=[(held_out, "held_out")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert booster.best_iteration < booster.num_boosted_rounds() - 1
    booster.save_model(model_dir / "model.ubj")
    expected = booster.predict(held_out, iteration_range=(0, booster.best_iteration + 1))
    np.testing.assert_allclose(predict(load(model_dir), CANCER[60:]), expected, rtol=1e-6)


@pytest.mark.parametrize("best", ["best", "1.5", "9" * 5000])
def test_xgboost_model_with_a_best_iteration_that_is_none(model_dir: Path, best: str) -> None:
    """A model file can hold any text there; the error says which."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(IRIS, SPECIES), 3)
    booster.set_attr(best_iteration=best)
    booster.save_model(model_dir / "model.ubj")
    with pytest.raises(ModelLoadError, match="best_iteration: found"):
        load(model_dir)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (CANCER[:, :3], "rows of 30 cells; the body's have 3"),
        (np.full((1, 30), "a", dtype=object), "takes numbers"),
    ],
)
def test_rows_that_do_not_fit_xgboost_are_the_clients_fault(booster: Any, data: Any, message: str) -> None:
    """Rows that the model cannot use are 400, with the reason."""
    framework = find_owner(booster)
    assert framework
    with pytest.raises(BadRequestError, match=message):
        framework.make_predict(booster)(data, booster, Context())


def test_estimators_of_xgboost_predict_labels(model_dir: Path) -> None:
    """A model of xgboost's scikit-learn interface, pickled, predicts labels as it did before."""
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(IRIS, SPECIES)
    joblib.dump(model, model_dir / "model.joblib")
    np.testing.assert_array_equal(predict(load(model_dir), IRIS), model.predict(IRIS))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.joblib", b"damaged", "model.joblib: found"),
        ("model.pkl", pickle.dumps({"a": 1}), "model.pkl: found a dict; expected a model that has predict()"),
        ("model.skops", b"damaged", "model.skops: found BadZipFile"),
        ("model.ubj", b"damaged", "model.ubj: found XGBoostError: Check failed"),
        ("model.ubj", b"", "model.ubj: found XGBoostError: Check failed"),
        ("xgboost-model", b"", "xgboost-model: found XGBoostError: Check failed"),
        ("model.json", b'{"learner": {}}', "model.json: found XGBoostError: "),
        ("xgboost-model", pickle.dumps([1]), "xgboost-model: found a list; expected a model that"),
    ],
)
def test_damaged_models_are_named(model_dir: Path, name: str, content: bytes, expected: str) -> None:
    """A file that cannot be loaded is an error that names it and what was found."""
    (model_dir / name).write_bytes(content)
    with pytest.raises(ModelLoadError) as caught:
        load(model_dir)
    assert str(caught.value).startswith(expected)
    assert str(model_dir) not in str(caught.value)


def test_shortened_booster_is_named(model_dir: Path, booster: Any) -> None:
    """A model file that was cut off is an error, not the end of the process."""
    raw = booster.save_raw("ubj")
    (model_dir / "model.ubj").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(ModelLoadError, match="found XGBoostError"):
        load(model_dir)


def test_other_files_are_no_models(model_dir: Path, pipeline: Any) -> None:
    """Only one file decides: folders, dotfiles, code/ and JSON of other kinds are passed over."""
    joblib.dump(pipeline, model_dir / "model.joblib")
    joblib.dump(pipeline, model_dir / ".hidden.joblib")
    (model_dir / "code").mkdir()
    (model_dir / "folder.pkl").mkdir()
    joblib.dump(pipeline, model_dir / "code" / "other.joblib")
    (model_dir / "metrics.json").write_text('{"accuracy": 0.9}')
    (model_dir / "list.json").write_text('["learner"]')
    (model_dir / "notes.txt").touch()
    assert find_model(model_dir)[1].name == "model.joblib"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], "found nothing in it"),
        (["a.txt", "metrics.json"], "found no model file among a.txt, metrics.json"),
        (["b.pkl", "a.ubj"], "found several model files: a.ubj, b.pkl"),
        ([f"{number:02}.txt" for number in range(30)], "18.txt, 19.txt, …"),
    ],
)
def test_no_model_or_several_is_an_error(model_dir: Path, files: list[str], found: str) -> None:
    """The error lists what is there and what was looked for, and says what else can be done."""
    for name in files:
        (model_dir / name).write_text("{}")
    with pytest.raises(ModelLoadError) as caught:
        load(model_dir)
    message = str(caught.value)
    assert found in message
    assert "*.joblib" in message
    assert "*.ubj" in message
    assert "*.pt2" in message
    assert "model_fn" in message


def test_missing_model_folder_is_an_error(tmp_path: Path) -> None:
    """A model folder that is not there is told so."""
    with pytest.raises(ModelLoadError, match="no such folder"):
        load(tmp_path / "ml" / "model")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torch_models_load_and_predict(model_dir: Path) -> None:
    """TorchScript and exported programs predict as the module did, on float32 rows."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5), torch.nn.ReLU()).eval()
    rows = torch.tensor(IRIS, dtype=torch.float32)
    expected = module(rows).detach().numpy()
    shapes = ({0: torch.export.Dim("rows")},)
    exported = torch.export.export(module, (rows,), dynamic_shapes=shapes)
    saves: tuple[tuple[str, Any], ...] = (
        ("model.pt", lambda path: torch.jit.save(torch.jit.trace(module, rows), path)),
        ("model.pt2", lambda path: torch.export.save(exported, path)),
    )
    for name, save in saves:
        save(model_dir / name)
        handler = load(model_dir)
        np.testing.assert_allclose(predict(handler, IRIS), expected, rtol=1e-5)
        np.testing.assert_allclose(predict(handler, IRIS[0]), expected[:1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(predict(handler, rows), expected, rtol=1e-5)
        assert CODECS[CSV].encode(predict(handler, IRIS))
        (model_dir / name).unlink()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torch_keeps_the_type_of_npy_bodies(model_dir: Path) -> None:
    """A model of whole numbers gets them from an .npy body; other bodies are float32."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), model_dir / "model.pt")
    handler = load(model_dir)
    whole = np.array([[1, 2]])
    assert predict(handler, whole, NPY).dtype == np.int64
    assert predict(handler, whole, CSV).dtype == np.float32


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_torch_weights_alone_are_refused(model_dir: Path, content: bytes | None) -> None:
    """A state dict says nothing of its module, and is refused with what to do; nothing is unpickled."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    path = model_dir / "model.pt"
    if content is None:
        torch.save(torch.nn.Linear(1, 1).state_dict(), path)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="weights_only=True"):
        load(model_dir)
