"""What is served, in words."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx

from mlberth_serve.app.factory import create_app
from mlberth_serve.handler.placement import worker_index
from mlberth_serve.inference.announcement import announce, served
from mlberth_serve.settings import Settings

DEFAULTS = "by default: model_fn, input_fn, predict_fn, output_fn"


def model(base: Path, name: str = "model.onnx") -> None:
    """Put a file that has the name of a model where models are."""
    (base / "model").mkdir(parents=True)
    (base / "model" / name).touch()


def code(base: Path, text: str) -> None:
    """Write a handler."""
    (base / "code").mkdir(parents=True)
    (base / "code/inference.py").write_text(text)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, f"the model file {{base}}/model/model.onnx (onnx); {DEFAULTS}"),
        (
            "def model_fn(d): pass\ndef predict_fn(d, m): pass\n",
            "{base}/code/inference.py: model_fn, predict_fn; by default: input_fn, output_fn",
        ),
        (
            "def predict_fn(d, m): pass\n",
            (
                "{base}/code/inference.py: predict_fn; by default: model_fn, input_fn, output_fn; "
                "the model file {base}/model/model.onnx (onnx)"
            ),
        ),
        (
            "def model_fn(d): pass\ndef transform_fn(m, d, c, a): pass\n",
            "{base}/code/inference.py: model_fn, transform_fn",
        ),
        ("def handle(d, c): pass\n", "{base}/code/inference.py: handle"),
        ("from handler import *\n", "{base}/code/inference.py: *"),
        (
            "def (",
            (
                f"{{base}}/code/inference.py: none of the functions that are called; {DEFAULTS}; "
                "the model file {base}/model/model.onnx (onnx)"
            ),
        ),
    ],
)
def test_handler_functions_defaults_and_model(tmp_path: Path, program: str | None, said: str) -> None:
    """Everything that decides what a request gets is in one line."""
    model(tmp_path)
    if program is not None:
        code(tmp_path, program)
    assert served(Settings({"SAGEMAKER_BASE_DIR": str(tmp_path)})) == said.format(base=tmp_path)


def test_profile_is_named(tmp_path: Path) -> None:
    """Its functions are the defaults, and the xgboost profile serves several models."""
    model(tmp_path, "model.joblib")
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    sklearn = served(Settings({**base, "SAGEMAKER_PROFILE": "sklearn"}))
    assert sklearn.endswith(f"(sklearn); {DEFAULTS} (those of the sklearn profile)")
    xgboost = served(Settings({**base, "SAGEMAKER_PROFILE": "xgboost"}))
    assert xgboost == f"the models in {tmp_path}/model, in the xgboost profile"


def test_serving_module_is_named_with_its_file(tmp_path: Path) -> None:
    """A WSGI application has no functions of ours."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/predictor.py").write_text("app = print")
    settings = Settings({"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_SERVING_MODULE": "predictor:app"})
    assert served(settings) == f"predictor:app, a WSGI application, of {tmp_path}/code/predictor.py"


def test_what_is_wrong_is_for_the_load_to_say(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An announcement never fails a start."""
    caplog.set_level(logging.INFO, "mlberth_serve")
    announce(Settings({"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": "gone.py"}))
    assert caplog.records == []


def test_a_current_folder_that_is_gone_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a handler that no parser takes."""
    model(tmp_path)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    caplog.set_level(logging.INFO, "mlberth_serve")
    announce(Settings({"SAGEMAKER_BASE_DIR": str(tmp_path)}))
    code(tmp_path, "x = " + "-" * 100_000 + "1")
    announce(Settings({"SAGEMAKER_BASE_DIR": str(tmp_path)}))
    assert caplog.records[0].getMessage().startswith("serving the model file")
    assert all(record.levelname == "INFO" for record in caplog.records)


def test_workers_say_nothing_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each of them may have to load for itself; the arbiter has said it."""
    code(tmp_path, "def model_fn(d): return 1\ndef predict_fn(d, m): return 1\n")
    caplog.set_level(logging.INFO, "mlberth_serve")
    token = worker_index.set(0)
    try:
        create_app({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    finally:
        worker_index.reset(token)
    assert [record for record in caplog.records if record.getMessage().startswith("serving ")] == []
    create_app({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    assert len([record for record in caplog.records if record.getMessage().startswith("serving ")]) == 1


def test_the_log_begins_with_what_is_served(tmp_path: Path) -> None:
    """Before the model is loaded, and with warnings of names that are almost right."""
    require_nginx()
    code(
        tmp_path / "ml",
        "print('importing', flush=True)\ndef model_fn(d): return 1\ndef predict_func(d, m): return 1\n"
        "def transform_fn(m, d, c, a): return 'x'\n".replace("transform_fn", "input_fn"),
    )
    application = "mlberth_serve.wsgi:application"
    with Server(tmp_path, application, SAGEMAKER_BIND_PORT="1") as server:
        server.process.wait(60)  # the model of an int has no default
        lines = server.text.splitlines()
    program = tmp_path / "ml/code/inference.py"
    near = "SAGEMAKER_BIND_PORT is set, and nothing reads it: did you mean SAGEMAKER_BIND_TO_PORT?"
    serving = f"serving {program}: model_fn, input_fn; by default: predict_fn, output_fn"
    func = f"{program}: nothing calls predict_func: did you mean predict_fn?"
    expected = [("WARNING", near), ("INFO", serving), ("WARNING", func)]
    places = [
        next(at for at, line in enumerate(lines) if f" {level} " in line and line.endswith(text))
        for level, text in expected
    ]
    assert places == sorted(places)
    assert places[-1] < lines.index("importing")
