"""What SAGEMAKER_DEBUG_ERRORS tells a client, and what it never tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.serve.conftest import LoadProject
from tests.serve.running import Server
from werkzeug.test import Client

from mlberth_serve.app.application import Application

HANDLER = """
import helper

class TooOldError(Exception):
    pass

class Silent(Exception):
    def __str__(self): raise ValueError

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    if data == "helper":
        return helper.check(data)
    if data == "object":
        return {"a": [object()]}
    if data == "surrogate":
        raise ValueError("half \\ud83d")
    raise {
        "own": TooOldError("too old"),
        "file": FileNotFoundError(2, "No such file", "/opt/ml/model/deep/er/weights.bin"),
        "code": ValueError(f"see {__file__}, and/or https://host/a/b"),
        "secret": ValueError("password hunter2hunter2"),
        "silent": Silent(),
        "memory": MemoryError("no room"),
        "key": KeyError("size"),
    }[data]
"""
HELPER = """
def check(data):
    return missing(data)
"""
DEBUG = {"SAGEMAKER_DEBUG_ERRORS": "true"}


def write_handler(model_dir: Path) -> None:
    """Write a handler that raises what it is asked for."""
    (model_dir / "code").mkdir(parents=True)
    (model_dir / "code/inference.py").write_text(HANDLER)
    (model_dir / "code/helper.py").write_text(HELPER)


def error_of(application: Application, body: str) -> dict[str, Any]:
    """Return the error that a body is answered with."""
    answer = Client(application).post("/invocations", data=body, content_type="application/json")
    error: dict[str, Any] = json.loads(answer.data)["error"]
    return error


RAISED = HANDLER.splitlines().index("    raise {") + 1
CAUSES = {
    "own": {"exception": "inference.TooOldError", "message": "too old"},
    "file": {"exception": "FileNotFoundError", "message": "[Errno 2] No such file: 'weights.bin'"},
    "code": {"exception": "ValueError", "message": "see inference.py, and/or https://host/a/b"},
    "secret": {"exception": "ValueError", "message": "password ***"},
    "silent": {"exception": "inference.Silent", "message": "<its text cannot be had: ValueError>"},
    "memory": {"exception": "MemoryError", "message": "no room"},
    "key": {"exception": "KeyError", "message": "'size'"},
}


@pytest.mark.parametrize("body", CAUSES)
def test_cause_is_told(load_project: LoadProject, model_dir: Path, body: str) -> None:
    """The exception, its message without folders and secrets, and the line of the user's code."""
    write_handler(model_dir)
    error = error_of(load_project(**DEBUG, DB_PASSWORD="hunter2hunter2"), body)
    cause = error["cause"]
    line = cause.pop("at")
    assert cause == CAUSES[body]
    assert line.startswith("inference.py, line ")
    assert RAISED <= int(line.split()[2].rstrip(",")) <= RAISED + 9
    assert line.endswith(", in predict_fn")
    assert error["message"].startswith("predict_fn ")


def test_last_line_of_the_users_code_is_named(load_project: LoadProject, model_dir: Path) -> None:
    """In a helper too; and a value that cannot be written is named with its place."""
    write_handler(model_dir)
    application = load_project(**DEBUG)
    assert error_of(application, "helper")["cause"]["at"] == "helper.py, line 3, in check"
    assert "at ['a'][0]: a object" in error_of(application, "object")["cause"]["message"]
    assert error_of(application, "surrogate")["cause"]["message"] == "half ?"


def test_nothing_is_told_without_the_variable(load_project: LoadProject, model_dir: Path) -> None:
    """By default an error has no cause."""
    write_handler(model_dir)
    assert error_of(load_project(), "own").keys() == {"code", "message", "request_id"}


def test_rows_that_a_model_refuses(load_project: LoadProject, model_dir: Path) -> None:
    """The library's own words are told, and no line, since there is no code of the user's."""
    import joblib
    from sklearn.linear_model import LinearRegression

    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0, 1]), model_dir / "model.joblib")
    cause = error_of(load_project(**DEBUG), '[["a"]]')["cause"]
    assert cause["exception"] == "ValueError"
    assert "could not convert string to float" in cause["message"]
    assert "at" not in cause


def test_server_warns_that_causes_are_told(tmp_path: Path) -> None:
    """The log says at the start what the variable gives away, and the answer has the cause."""
    write_handler(tmp_path / "ml/model")
    with Server(tmp_path, application="mlberth_serve.wsgi:application", **DEBUG) as server:
        answer = server.wait_ready().invoke("own", **{"Content-Type": "application/json"})
    assert (answer.status, answer.error["cause"]["message"]) == (500, "too old")
    assert "SAGEMAKER_DEBUG_ERRORS=true: clients are told what your code raises" in server.text
    assert str(tmp_path) not in answer.body.decode()


def test_own_application(tmp_path: Path) -> None:
    """An exception that a WSGI callable of the user's lets out has its cause too."""
    code = tmp_path / "ml/code"
    code.mkdir(parents=True)
    text = "def app(environ, start):\n    if environ['PATH_INFO'] == '/ping':\n"
    text += "        start('200 OK', [])\n        return []\n    raise ValueError('no')\n"
    (code / "own.py").write_text(text)
    with Server(
        tmp_path, application="mlberth_serve.wsgi:application", SAGEMAKER_SERVING_MODULE="own:app", **DEBUG
    ) as server:
        answer = server.wait_ready().invoke("1")
    at = "own.py, line 5, in app"
    assert answer.error["cause"] == {"exception": "ValueError", "message": "no", "at": at}
