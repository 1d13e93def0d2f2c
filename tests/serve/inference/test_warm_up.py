"""What happens between the load of a model and the first request."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from tests.serve.conftest import LoadProject
from tests.serve.running import Server
from tests.support import wait_until
from werkzeug.test import Client

from mlberth.errors import ModelLoadError
from mlberth_serve.codecs import READERS
from mlberth_serve.usercode.load_errors import UserCodeError
from mlberth_serve.usercode.sample_payloads import SUFFIXES

APPLICATION = "mlberth_serve.wsgi:application"
HOOKS = """
import os
import pathlib

CALLS = pathlib.Path(__file__).parent / "calls"


def tell(name, context):
    with CALLS.open("a") as file:
        file.write(f"{name} {os.getpid()} {context.worker}\\n")


def pre_model_fn(model_dir, context):
    tell("pre_model_fn", context)


def model_fn(model_dir, context):
    tell("model_fn", context)
    return "model"


def model_warmup_fn(model_dir, model, context):
    assert model == "model"
    tell("model_warmup_fn", context)


def input_fn(input_data, content_type):
    return input_data


def predict_fn(data, model, context):
    tell("predict_fn", context)
    return 1 / int(data)
"""


RESPONSE = """
from mlberth_serve.handler.response import Response


def execution_parameters_fn():
    return Response({"BatchStrategy": "SINGLE_RECORD"})
"""


def write_hooks(code: Path, text: str = HOOKS) -> Path:
    """Write a handler that writes down what is called where; returns its folder."""
    code.mkdir(parents=True)
    (code / "inference.py").write_text(text)
    return code


def calls(code: Path) -> list[list[str]]:
    """Return name, process and worker of each call."""
    return [line.split() for line in (code / "calls").read_text().splitlines()]


def test_hooks_run_in_order_and_the_warm_up_in_each_worker(tmp_path: Path) -> None:
    """pre_model_fn and model_fn run in the master, the warm-up in every worker before it is ready."""
    code = write_hooks(tmp_path / "ml/model/code")
    (code / "sample-payload.csv").write_text("1")
    with Server(tmp_path, APPLICATION) as server:
        server.wait_ready()
        wait_until(lambda: len(calls(code)) == 6)
        master = str(server.children()["gunicorn"])
        made = calls(code)
        assert [call[:2] for call in made[:2]] == [["pre_model_fn", master], ["model_fn", master]]
        by_worker = {
            pid: [(name, number) for name, other, number in made if other == pid] for _, pid, _ in made[2:]
        }
        assert sorted(by_worker.values()) == [
            [("model_warmup_fn", number), ("predict_fn", number)] for number in ("0", "1")
        ]
        pid, number = made[-1][1:]
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: len(calls(code)) == 8)
        assert calls(code)[-1][1] != pid
        assert calls(code)[-1][2] == number  # the successor takes the place of the worker that died
        assert server.stop() == 0


@pytest.mark.parametrize(("payload", "function"), [("0", "predict_fn"), ("1", "model_warmup_fn")])
def test_failing_warm_up_ends_the_server(tmp_path: Path, payload: str, function: str) -> None:
    """A worker that cannot warm up is a load failure: exit code 65, with phase, function, file and line."""
    text = HOOKS if payload == "0" else HOOKS.replace('assert model == "model"', "assert False")
    code = write_hooks(tmp_path / "ml/model/code", text)
    (code / "sample-payload.csv").write_text(payload)
    with Server(tmp_path, APPLICATION, SAGEMAKER_LOG_FORMAT="json") as server:
        assert server.process.wait(20) == 65
        cause = server.failure["cause"]
        assert (cause["function"], cause["file"]) == (function, "inference.py")
        assert cause["phase"] == ("warm-up" if payload == "0" else "call")


def test_sample_payloads_are_found_in_both_folders(load_project: LoadProject, model_dir: Path) -> None:
    """A sample stands beside the handler or in the model folder; each is predicted for."""
    code = write_hooks(model_dir / "code")
    (code / "sample-payload.csv").write_text("1")
    (model_dir / "sample-payload.json").write_text("2")
    load_project().warm_up()
    assert [name for name, *_ in calls(code)].count("predict_fn") == 2


def test_sample_payload_of_an_unknown_kind(load_project: LoadProject, model_dir: Path) -> None:
    """A suffix that says nothing of the media type is an error that lists those that do."""
    (model_dir / "sample-payload.txt").touch()
    with pytest.raises(ModelLoadError, match=r"sample-payload.txt: found an unknown suffix; expected"):
        load_project("predict_only").warm_up()


def test_sample_payload_that_cannot_be_read(load_project: LoadProject, model_dir: Path) -> None:
    """What a client would be told about the body is told at the start."""
    (model_dir / "sample-payload.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"sample-payload.json: found 400 bad_request"):
        load_project("predict_only").warm_up()


@pytest.mark.parametrize(("payload", "found"), [("1,2,x", "415: Loading csv"), ("1,2,3", "400: Unable")])
def test_sample_payload_in_algorithm_mode(
    load_project: LoadProject, model_dir: Path, payload: str, found: str
) -> None:
    """There an error is an answer, of another status; a sample that gets one fails the warm-up too."""
    xgboost = pytest.importorskip("xgboost")
    rows = np.array([[0.0, 1.0], [1.0, 0.0]])
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, label=[0, 1]), num_boost_round=1)
    booster.save_model(model_dir / "model.ubj")
    sample = model_dir / "sample-payload.csv"
    sample.write_text(payload)
    with pytest.raises(ModelLoadError, match=f"sample-payload.csv: found {found}"):
        load_project(SAGEMAKER_PROFILE="xgboost").warm_up()


def test_pre_model_fn_that_fails(load_project: LoadProject, model_dir: Path) -> None:
    """What pre_model_fn raises is a load failure as well."""
    write_hooks(model_dir / "code", "def pre_model_fn(model_dir):\n    raise OSError(model_dir)\n")
    with pytest.raises(UserCodeError, match="pre_model_fn raised OSError") as caught:
        load_project()
    assert (caught.value.cause.file, caught.value.cause.line) == ("inference.py", 2)


@pytest.mark.parametrize(
    ("function", "body"),
    [
        (RESPONSE, None),
        ("def execution_parameters_fn():\n    return {'BatchStrategy': 'SINGLE_RECORD'}", None),
        ('def execution_parameters_fn(context):\n    return \'{"BatchStrategy": "SINGLE_RECORD"}\'', None),
        (
            "def execution_parameters_fn():\n    raise ValueError('a secret')",
            "execution_parameters_fn failed",
        ),
    ],
)
def test_execution_parameters_of_the_handler(
    load_project: LoadProject, model_dir: Path, function: str, body: str | None
) -> None:
    """execution_parameters_fn gives the body of the route; what it raises is a 500 that names it."""
    write_hooks(model_dir / "code", f"{HOOKS}\n\n{function}\n")
    answer = Client(load_project()).get("/execution-parameters")
    assert answer.content_type == "application/json"
    if body:
        assert (answer.status_code, body in answer.text, "secret" in answer.text) == (500, True, False)
    else:
        assert json.loads(answer.data) == {"BatchStrategy": "SINGLE_RECORD"}


def test_every_suffix_has_a_codec() -> None:
    """A sample payload of each suffix can be read where the handler leaves that to us."""
    assert set(SUFFIXES.values()) <= set(READERS)
