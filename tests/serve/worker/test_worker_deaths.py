"""Ends of workers in the log, and in the answer to the request that one ended with."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
from pathlib import Path

import pytest
from tests.serve.running import Server
from tests.support import wait_until

from mlberth_serve.shared.heartbeat import WorkerStatus
from mlberth_serve.worker.worker_deaths import WorkerDeaths

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import os
import signal


def model_fn(model_dir):
    return 1


def predict_fn(data, model):
    if data[0]:
        os.kill(os.getpid(), data[0]) if data[0] > 0 else os._exit(-data[0])
    return data
"""


def test_stack_of_a_prediction_that_hangs_is_in_the_record(tmp_path: Path, front: str) -> None:
    """The lines of the stack are no lines of the log, which are records all."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    hangs = HANDLER.replace("os.kill(os.getpid(), data[0])", "signal.pause()")
    (tmp_path / "ml/model/code/inference.py").write_text(hangs)
    variables = {"SAGEMAKER_LOG_FORMAT": "json", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables) as server:
        answer = server.wait_ready().invoke("[1]", **{"Content-Type": "application/json"})
        assert (answer.status, answer.error["code"]) == (504, "timeout")
        wait_until(lambda: "in predict_fn" in server.text, message=server.text)
        lines = [json.loads(line) for line in server.text.splitlines()]
    (record,) = [one for one in lines if "in predict_fn" in one["message"]]
    assert "ended with exit code 1 with request " in record["message"]
    assert "Current thread" in record["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[9]", "was killed by SIGKILL with request "),
        ("[11]", "was killed by SIGSEGV with request "),
        ("[-3]", "ended with exit code 3 with request "),
    ],
)
def test_log_names_the_request_of_a_death(tmp_path: Path, front: str, body: str, said: str) -> None:
    """However a handler ends its worker, the log has how, and the request's id: nginx's, or the client's."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front, SAGEMAKER_LOG_FORMAT="json") as server:
        server.wait_ready()
        name = "mine-1"
        with contextlib.suppress(ConnectionError, http.client.HTTPException):  # without nginx it breaks off
            answer = server.invoke(body, **{"Content-Type": "application/json", "X-Request-Id": name})
            assert (answer.status, answer.error["code"]) == (502, "worker_died")
            assert answer.error["message"] == "The worker process died with this request."
            name = answer.error["request_id"]
        deaths = 2 if front == "true" else 1
        wait_until(lambda: server.text.count(said + name) == deaths, message=server.text)
        lines = [json.loads(line) for line in server.text.splitlines()]
        records = [one for one in lines if said in one["message"]]
        assert {(one["level"], one["request_id"]) for one in records} == {("ERROR", name)}
        assert all(("in predict_fn" in one["message"]) == (body == "[11]") for one in records)
        assert "Perhaps out of memory" not in server.text


def test_application_of_the_users_own_is_named_too(tmp_path: Path, front: str) -> None:
    """Its requests go through the other parser."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        name = "mine-2"
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            name = server.invoke("die", **{"X-Request-Id": name}).error["request_id"]
        wait_until(lambda: f"was killed by SIGKILL with request {name}" in server.text, message=server.text)


def test_kills_of_the_kernel_are_told_one_by_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A death is for want of memory if the kernel has counted it; the file for nginx is there for a while."""
    now, kills, marker = [100.0], [3], tmp_path / "out_of_memory"
    deaths = WorkerDeaths(marker, 60.0, count_kills=lambda: kills[0], clock=lambda: now[0])
    busy = WorkerStatus(1.0, 1.0, 0b111, "abc")
    with caplog.at_level(logging.INFO):
        deaths.note(1, "SIGKILL", busy)
        assert not marker.exists()
        kills[0] = 5
        deaths.note(2, "SIGKILL", busy)
        deaths.note(3, "SIGKILL", WorkerStatus(1.0, 0.0))
        assert marker.exists()
        now[0] += 61
        deaths.forget()
        assert not marker.exists()
        deaths.note(4, "SIGKILL", WorkerStatus(1.0, 0.0))
        deaths.note(5, "SIGTERM", WorkerStatus(1.0, 0.0))
    memory = ": memory ran out, and the kernel took the process"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "worker 1 was killed by SIGKILL with request abc and 2 more of a batch"),
        ("ERROR", f"worker 2 was killed by SIGKILL with request abc and 2 more of a batch{memory}"),
        ("ERROR", f"worker 3 was killed by SIGKILL{memory}"),
        ("ERROR", "worker 4 was killed by SIGKILL"),
        ("INFO", "worker 5 was killed by SIGTERM"),
    ]


def test_kernel_that_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody counts, memory is a guess, and said to be one."""
    deaths = WorkerDeaths(tmp_path / "out_of_memory", 60.0, count_kills=lambda: None)
    deaths.note(1, "SIGKILL", WorkerStatus(1.0, 0.0))
    assert caplog.messages == ["worker 1 was killed by SIGKILL, perhaps since memory ran out"]
    assert not (tmp_path / "out_of_memory").exists()
