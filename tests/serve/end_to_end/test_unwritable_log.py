"""A log that cannot be written costs the log alone: a whole server, with nginx and without."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.serve.running import Server
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import sys


def model_fn(model_dir):
    print("loading é", flush=True)
    return 1


def predict_fn(data, model, context):
    print("é " * 2000, flush=True)
    print("stderr é", file=sys.stderr)
    sys.stdout.write("no end of a line")
    context.logger.warning("got é %s", data)
    if data[0] < 0:
        raise ValueError("é" * 20_000)
    return data
"""
REDIRECTIONS = {
    "full": ">/dev/full 2>/dev/full",
    "stdout full": ">/dev/full 2>/dev/null",
    "closed": "<&- >&- 2>&-",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "broken pipe": "> >(exit 0) 2> >(exit 0)",
    "ascii": "",
}
FORMS = ("text", "json")


def dropped(server: Server) -> float:
    """Return how many lines could not be written, as /metrics has it; -1 where that is not there yet."""
    page = server.request("GET", "/metrics")
    if page.status != 200:
        return -1
    samples = [one for each in text_string_to_metric_families(page.body.decode()) for one in each.samples]
    (value,) = [one.value for one in samples if one.name == "mlberth_log_lines_dropped_total"]
    return value


def start(folder: Path, front: str, form: str = "text", **more: str) -> Server:
    """Return a server with a handler that prints and logs, and with an access log."""
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    variables = {"SAGEMAKER_ACCESS_LOG": "true", "SAGEMAKER_LOG_FORMAT": form, **more}
    return Server(folder, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables)


def use(server: Server) -> None:
    """Send requests of every kind; each must get its own answer, soon."""
    headers = {"Content-Type": "application/json", "X-Amzn-SageMaker-Inference-Id": "\xe9"}
    began = time.monotonic()
    for number in range(20):
        answer = server.request("POST", f"/invocations?{number}", b"[%d]" % number, headers)
        assert (answer.status, answer.body.strip()) == (200, b"[%d]" % number)
        assert server.request("POST", "/invocations", b"[-1]", headers).status == 500
        assert server.request("GET", "/nothing%c3%a9").status == 404
        assert server.ping() == 200
    assert time.monotonic() - began < 60  # if each of the 80 waited for its log, it would take longer


@pytest.mark.parametrize("how", REDIRECTIONS)
def test_no_request_pays_for_the_log(tmp_path: Path, front: str, how: str) -> None:
    """A full disk, closed streams, a reader who has gone, ASCII: all is answered, and losses are counted."""
    # In one form with nginx, in the other without, in turns.
    form = FORMS[(list(REDIRECTIONS).index(how) + (front == "true")) % 2]
    encoding = {
        "PYTHONIOENCODING": "ascii:strict",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    server = start(tmp_path, front, form, **(encoding if how == "ascii" else {}))
    server.wrapper = ["bash", "-c", f'exec "$@" {REDIRECTIONS[how]}', "bash"]
    with server:
        server.wait_ready()
        use(server)
        if how in ("full", "stdout full", "broken pipe"):
            wait_until(lambda: dropped(server) > 20)
        else:
            wait_until(lambda: dropped(server) >= 0)
            assert dropped(server) == 0
        assert server.stop() == 0
    if how == "ascii":
        assert server.text.isascii()
        assert "\\xe9" in server.text


def test_nobody_reads(tmp_path: Path, front: str) -> None:
    """With a full pipe nothing hangs; who reads it again is told in the first line how many are missing."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as log:
        server = start(tmp_path, front, FORMS[front == "true"])
        server.output = writer
        with server:
            os.close(writer)
            server.wait_ready()
            use(server)  # the handler's prints wait a second for their reader, once in each worker
            wait_until(lambda: dropped(server) > 20)
            os.set_blocking(reader, False)
            with contextlib.suppress(BlockingIOError):
                while log.read(1 << 16):
                    pass
            use(server)
            read = b""
            while piece := log.read(1 << 16):
                read += piece
            assert b" before this one were dropped: nobody read them" in read
            assert server.stop() == 0


def test_failure_is_told_by_the_exit_code_all_the_same(tmp_path: Path) -> None:
    """Where the last line of a server that cannot start cannot be written, its exit code stays what it is."""
    server = Server(tmp_path, "nowhere:application", SAGEMAKER_USE_NGINX="false")
    server.wrapper = ["bash", "-c", 'exec "$@" >/dev/full 2>/dev/full', "bash"]
    with server:
        assert server.process.wait(30) == 70
