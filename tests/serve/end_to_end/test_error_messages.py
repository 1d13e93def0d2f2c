"""What errors say: the limit, the variable that sets it, and the request's id, with nginx and without."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.serve.running import Answer, Server, require_nginx
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import time


def model_fn(model_dir):
    return 1


def predict_fn(data, model):
    time.sleep(data[0])
    return data
"""


def serving(folder: Path, **variables: str) -> Server:
    """Return a server whose predictions take as many seconds as they are told."""
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    return Server(folder, APPLICATION, **variables)


def check(answer: Answer, status: int, code: str, words: str) -> None:
    """Check an error and its one form."""
    assert (answer.status, answer.error["code"]) == (status, code)
    assert words in answer.error["message"]
    assert answer.headers["Content-Type"] == "application/json"
    assert re.fullmatch("[0-9a-f]{32}", answer.error["request_id"])
    assert answer.error["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("variable", "size", "words"),
    [
        (
            "SAGEMAKER_MAX_PAYLOAD_IN_MB=1",
            (1 << 20) + 1,
            "the limit of 1 MB (SAGEMAKER_MAX_PAYLOAD_IN_MB)",
        ),
        ("MAX_CONTENT_LENGTH=1000", 1001, "the limit of 1000 bytes (MAX_CONTENT_LENGTH)"),
    ],
)
def test_too_large_names_the_limit(tmp_path: Path, front: str, variable: str, size: int, words: str) -> None:
    """The client of a 413 is told how much is allowed, and by which variable, also for a chunked body."""
    name, _, value = variable.partition("=")
    with serving(tmp_path, SAGEMAKER_USE_NGINX=front, **{name: value}) as server:
        server.wait_ready()
        check(server.invoke("1" * size), 413, "payload_too_large", words)
        chunked = {"Transfer-Encoding": "chunked"}
        body = b"%X\r\n%b\r\n0\r\n\r\n" % (size, b"1" * size)
        check(server.request("POST", "/invocations", body, chunked), 413, "payload_too_large", words)


def test_too_late_names_the_limit(tmp_path: Path, front: str) -> None:
    """The client of a 504 is told how long a prediction may take."""
    with serving(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_MODEL_SERVER_TIMEOUT="1.5") as server:
        answer = server.wait_ready().invoke("[30]", **{"Content-Type": "application/json"})
        check(answer, 504, "timeout", "within 1.5 s (SAGEMAKER_MODEL_SERVER_TIMEOUT)")


def test_not_ready_has_the_form_of_every_error(tmp_path: Path) -> None:
    """What /ping and a prediction say while the model loads, and /ping while the server stops."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path, STANDIN_GATE=str(gate), SAGEMAKER_STOP_DELAY_SECONDS="20") as server:
        wait_until(server.is_open)
        check(server.request("GET", "/ping"), 503, "loading", "The model is being loaded.")
        check(server.invoke("1"), 503, "not_ready", "GET /ping says why")
        assert server.request("GET", "/").status == 200
        gate.touch()
        server.wait_ready()
        os.kill(server.process.pid, 15)
        wait_until(lambda: server.ping() == 503)
        check(server.request("GET", "/ping"), 503, "stopping", "The server is stopping.")
        assert server.request("HEAD", "/ping").body == b""
