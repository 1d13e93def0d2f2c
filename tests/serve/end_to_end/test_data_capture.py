"""Data capture of a whole server."""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.object_store import serving_objects
from tests.serve.running import Server
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import os
import signal


def model_fn(model_dir):
    return 2


def predict_fn(data, model):
    if data[0][0] == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    data *= model
    return data
"""
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that makes a server which captures into `captured`."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)

    def make(**variables: str) -> Server:
        settings = {
            "SAGEMAKER_DATA_CAPTURE_DESTINATION": str(tmp_path / "captured"),
            "SAGEMAKER_DATA_CAPTURE_FILE_SECONDS": "1",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        }
        return Server(tmp_path, APPLICATION, **settings | variables)

    return make


def captured(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a folder's whole files."""
    paths = [path for path in folder.rglob("*.jsonl") if not path.name.startswith(".")]
    return [json.loads(line) for path in sorted(paths) for line in path.read_text().splitlines()]


def inputs(folder: Path) -> list[str]:
    """Return the captured bodies."""
    return [line["captureData"]["endpointInput"]["data"] for line in captured(folder)]


def wait_counted(server: Server, count: int) -> None:
    """Wait until so many captured requests are counted."""
    line = f"mlberth_captured_requests_total {count}.0".encode()
    wait_until(lambda: line in server.request("GET", "/metrics").body, timeout=30)


def test_request_and_answer_are_captured_as_they_were(start: Start, tmp_path: Path, front: str) -> None:
    """The body is the client's, decompressed, though the handler wrote into it; errors are left out."""
    with start(SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        ids = {"X-Amzn-SageMaker-Inference-Id": "order-17", "X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
        assert server.request("POST", "/invocations", b"1,2", CSV | ids).body == b"2.0,4.0\n"
        types = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        assert server.request("POST", "/invocations", gzip.compress(b"[[3]]"), types).status == 200
        assert server.request("POST", "/invocations", b"1,", {"Content-Type": "text/no"}).status == 415
        wait_until(lambda: len(captured(tmp_path / "captured")) == 2, timeout=30)
        first, second = captured(tmp_path / "captured")
        assert first["captureData"]["endpointInput"]["data"] == "1,2"
        assert first["captureData"]["endpointOutput"]["data"] == "2.0,4.0\n"
        assert first["captureData"]["endpointOutput"]["observedContentType"] == "text/csv"
        assert first["eventMetadata"]["inferenceId"] == "order-17"
        assert first["eventMetadata"]["customAttributes"] == ["trace=1"]
        assert second["captureData"]["endpointInput"]["data"] == "[[3]]"
        wait_counted(server, 2)


def test_large_body_is_not_what_the_handler_made_of_it(start: Start, tmp_path: Path) -> None:
    """A body of megabytes, in which an array lies that the handler changes, is captured as it was sent."""
    body = b"1," * 200_000 + b"1"
    with start() as server:
        server.wait_ready()
        assert server.request("POST", "/invocations", body, CSV).status == 200
        wait_until(lambda: inputs(tmp_path / "captured") == [body.decode()], timeout=30)


def test_stop_and_reload_lose_nothing(start: Start, tmp_path: Path) -> None:
    """Every answered request is captured, though the file's time was not over."""
    with start(SAGEMAKER_DATA_CAPTURE_FILE_SECONDS="3600") as server:
        server.wait_ready()
        for number in range(3):
            server.request("POST", "/invocations", f"{number}".encode(), CSV)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: inputs(tmp_path / "captured") == ["0", "1", "2"], timeout=30)
        server.request("POST", "/invocations", b"3", CSV)
        assert server.stop() == 0
    assert sorted(inputs(tmp_path / "captured")) == ["0", "1", "2", "3"]


def test_killed_workers_lines_are_taken_over(start: Start, tmp_path: Path) -> None:
    """A worker that dies with a request loses no line that it had written."""
    with start(SAGEMAKER_DATA_CAPTURE_FILE_SECONDS="3600", SAGEMAKER_MODEL_SERVER_RETRY="false") as server:
        server.wait_ready()
        server.request("POST", "/invocations", b"1", CSV)
        wait_counted(server, 1)
        assert server.request("POST", "/invocations", b"9", CSV).status == 502
        wait_until(lambda: inputs(tmp_path / "captured") == ["1"], timeout=30)


def test_batched_requests_are_captured_one_by_one(start: Start, tmp_path: Path) -> None:
    """Requests that shared a call are lines of their own."""
    with start(SAGEMAKER_BATCH_MAX_SIZE="8") as server:
        server.wait_ready()
        with ThreadPoolExecutor(8) as pool:
            rows = [f"{number}".encode() for number in range(10, 50)]
            list(pool.map(lambda row: server.request("POST", "/invocations", row, CSV).status, rows))
        wait_until(lambda: len(captured(tmp_path / "captured")) == 40, timeout=30)
        for line in captured(tmp_path / "captured"):
            data = line["captureData"]
            assert float(data["endpointOutput"]["data"]) == 2 * float(data["endpointInput"]["data"])


def test_files_go_to_s3(start: Start, tmp_path: Path) -> None:
    """A bucket gets the same files; nothing stays here."""
    pytest.importorskip("moto")
    with serving_objects() as store:
        destination = {"SAGEMAKER_DATA_CAPTURE_DESTINATION": "s3://bucket/endpoint/AllTraffic"}
        with start(**destination, **store.environ) as server:
            server.wait_ready()
            server.request("POST", "/invocations", b"1", CSV)

            def keys() -> list[str]:
                found = store.client().list_objects_v2(Bucket="bucket").get("Contents", [])
                return [entry["Key"] for entry in found]

            wait_until(keys, timeout=30)
            (key,) = keys()
            assert key.startswith("endpoint/AllTraffic/20")
            assert json.loads(store.read(key))["captureData"]["endpointInput"]["data"] == "1"
            assert server.stop() == 0
    assert [*tmp_path.rglob("*.jsonl")] == []


def test_sample_of_none_captures_none(start: Start, tmp_path: Path) -> None:
    """With 0 per cent there is no file."""
    with start(SAGEMAKER_DATA_CAPTURE_PERCENTAGE="0") as server:
        server.wait_ready()
        assert server.request("POST", "/invocations", b"1", CSV).status == 200
        assert server.stop() == 0
    assert captured(tmp_path / "captured") == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (
            {"SAGEMAKER_DATA_CAPTURE_DESTINATION": "captured"},
            "an absolute path of a folder, or s3://bucket/prefix",
        ),
        ({"SAGEMAKER_DATA_CAPTURE_DESTINATION": "s3://"}, "s3://bucket/prefix"),
        ({"SAGEMAKER_DATA_CAPTURE_DESTINATION": "/proc/captured"}, "SAGEMAKER_DATA_CAPTURE_DESTINATION"),
        ({"SAGEMAKER_DATA_CAPTURE_PERCENTAGE": "101"}, "a whole number from 0 to 100"),
        ({"SAGEMAKER_DATA_CAPTURE_OPTIONS": "Inputs"}, "Input, Output, or both"),
    ],
)
def test_faulty_settings_end_the_start(start: Start, variables: dict[str, str], named: str) -> None:
    """The variable and what it takes are named."""
    with start(**variables) as server:
        assert server.process.wait(60) != 0
        assert named in server.log.read_text()
