"""What nginx answers from files in place of the workers: /execution-parameters and /openapi.json."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest
from tests.serve.conftest import LoadProject
from tests.serve.running import Server, require_nginx
from tests.support import wait_until

from mlberth_serve.worker.http.static_documents import write_documents

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import pathlib
import time


def model_fn(model_dir):
    return None


def transform_fn(model, data, content_type, accept):
    begun, gate = data.split()
    pathlib.Path(begun).touch()
    deadline = time.monotonic() + 30
    while not pathlib.Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return data


def execution_parameters_fn():
    return {"MaxPayloadInMB": NUMBER}
"""


def write_handler(folder: Path, text: str) -> None:
    """Write the handler of an /opt/ml tree."""
    code = folder / "ml/model/code"
    code.mkdir(parents=True, exist_ok=True)
    (code / "inference.py").write_text(text)


def test_no_worker_is_waited_for_and_a_reload_replaces_them(tmp_path: Path) -> None:
    """Both routes are answered while the only worker predicts; a reload answers with what is new."""
    require_nginx()
    write_handler(tmp_path, HANDLER.replace("NUMBER", "1"))
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    with Server(tmp_path, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        server.wait_ready()
        headers = {"Content-Type": "text/csv"}
        body = f"{begun} {gate}".encode()
        busy = threading.Thread(target=server.request, args=("POST", "/invocations", body, headers))
        busy.start()
        wait_until(begun.exists, timeout=20)
        try:
            answer = server.request("GET", "/execution-parameters")
            assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
            assert json.loads(answer.body) == {"MaxPayloadInMB": 1}
            assert server.request("HEAD", "/execution-parameters").headers["Content-Length"] == "20"
            assert json.loads(server.request("GET", "/openapi.json").body)["openapi"] == "3.1.0"
        finally:
            gate.touch()
            busy.join(30)
        # Of another length: Python tells by size and second whether the bytecode it has is of this source.
        write_handler(tmp_path, HANDLER.replace("NUMBER", "2 "))
        server.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: server.request("GET", "/execution-parameters").body == b'{"MaxPayloadInMB":2}',
            timeout=30,
            message=server.text,
        )


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ('raise ValueError("a secret")', 500, b"execution_parameters_fn failed"),
        ('return "MaxPayloadInMB=6", "text/plain"', 200, b"MaxPayloadInMB=6"),
    ],
)
def test_other_answers_are_a_workers(tmp_path: Path, answer: str, status: int, said: bytes) -> None:
    """What a handler answers that is more than a body of JSON comes from a worker, as it is."""
    require_nginx()
    write_handler(tmp_path, HANDLER.replace('return {"MaxPayloadInMB": NUMBER}', answer))
    with Server(tmp_path, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        found = server.wait_ready().request("GET", "/execution-parameters")
        assert found.status == status
        assert said in found.body
        assert b"secret" not in found.body


def test_routes_without_a_handler(load_project: LoadProject) -> None:
    """What the settings say is one of the documents."""
    documents = load_project("predict_only", SAGEMAKER_MAX_PAYLOAD_IN_MB="7").documents()
    assert documents.keys() == {"/openapi.json", "/execution-parameters"}
    assert json.loads(documents["/execution-parameters"])["MaxPayloadInMB"] == 7


def test_the_first_to_write_a_document_is_the_last(tmp_path: Path) -> None:
    """Workers that are ready later leave what is there, and nothing else beside it."""
    write_documents(tmp_path / "documents", {"/a.json": b"1"})
    write_documents(tmp_path / "documents", {"/a.json": b"2", "/b": b"3"})
    found = {path.name: path.read_text() for path in (tmp_path / "documents").iterdir()}
    assert found == {"a.json": "1", "b": "3"}


def test_what_cannot_be_written_is_left_to_the_workers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that cannot write them serves all the same, and says so."""
    write_documents(tmp_path / "none/documents", {"/a.json": b"1"})
    assert "/a.json: not written" in caplog.text
