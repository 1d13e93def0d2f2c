"""Models that do not load, load for long, or load only once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.load import (
    FAULTY,
    LONG,
    PATIENCE,
    Load,
    Pings,
    report,
    unnoticed,
    wait_for_answers,
    workers,
)
from tests.serve.running import Server
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("nginx")


def test_30_model_that_does_not_load_ends_the_server(tmp_path: Path) -> None:
    """The cause is told once, in one line, and nothing is tried again."""
    began = time.monotonic()
    with Server(tmp_path, FAULTY, FAULTY_MODEL=str(tmp_path / "none"), SAGEMAKER_LOG_FORMAT="json") as server:
        code = server.process.wait(PATIENCE)
        took = time.monotonic() - began
        assert not server.is_open()
    report("a model that does not load", n=1, failed=int(code == 0), recovery=took)
    assert code == 70
    assert server.failure["error"] == "FileNotFoundError"
    assert server.text.count("Traceback") <= 1
    assert took < (5 if LONG else 20)


def test_31_load_takes_its_time(tmp_path: Path) -> None:
    """/ping is 503 loading until the model is there, longer than a request may take; then 200."""
    seconds = 600 if LONG else 3
    variables = {"FAULTY_LOAD_SECONDS": str(seconds), "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}
    began = time.monotonic()
    with Server(tmp_path, FAULTY, **variables) as server:
        wait_until(lambda: server.ping() == 503, timeout=PATIENCE)
        assert server.request("GET", "/ping").error["code"] == "loading"
        assert server.invoke("1").error["code"] == "not_ready"
        with Pings(server) as pings:
            wait_until(lambda: server.ping() == 200, timeout=seconds + PATIENCE)
        took = time.monotonic() - began
        assert server.invoke("1").status == 200
    report(f"a model that takes {seconds} s to load", n=1, failed=0, recovery=took - seconds, pings=pings)
    assert pings.statuses <= {503, 200}
    assert took >= seconds


@contextlib.contextmanager
def self_loading(folder: Path, model: Path, count: int) -> Iterator[Server]:
    """Run workers each of which has loaded the model for itself."""
    loads = folder / "loads"
    variables = {"FAULTY_MODEL": str(model), "FAULTY_THREAD": "1", "FAULTY_LOADS": str(loads)}
    model.write_text("1")
    with Server(
        folder, FAULTY, SAGEMAKER_MODEL_SERVER_WORKERS=str(count), SAGEMAKER_LOG_FORMAT="json", **variables
    ) as server:
        loaded = count + 1  # the master too, which found that its load must not be forked
        wait_until(lambda: loads.exists() and len(loads.read_text().splitlines()) == loaded, timeout=PATIENCE)
        yield server.wait_ready()


def test_32_worker_that_cannot_be_replaced(tmp_path: Path) -> None:
    """A model that is gone after the start gets four tries, with growing pauses; then the end says why."""
    model = tmp_path / "model"
    with self_loading(tmp_path, model, 1) as server:
        model.unlink()
        began = time.monotonic()
        os.kill(workers(server)[0], signal.SIGKILL)
        wait_until(lambda: server.ping() == 503, timeout=PATIENCE)
        unready = time.monotonic() - began
        code = server.process.wait(2 * PATIENCE)
    report(
        "a model that is gone when its worker dies",
        n=1,
        failed=int(code == 0),
        recovery=time.monotonic() - began,
        unready_s=unready,
    )
    assert code == 70
    assert re.findall(r"could not be started, the next try is in (\d+) s", server.text) == ["1", "2", "4"]
    assert server.failure["error"] == "FileNotFoundError"
    assert unready < (2 if LONG else 10)


def test_32_model_that_cannot_be_loaded_again_leaves_the_other_worker(tmp_path: Path) -> None:
    """While one worker cannot be replaced the other serves, and a model that is back is taken."""
    model = tmp_path / "model"
    with self_loading(tmp_path, model, 2) as server:
        model.unlink()
        victim, _ = workers(server)
        with Load(server) as load, Pings(server) as pings:
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: "the next try is in 2 s" in server.text, timeout=PATIENCE)
            model.write_text("1")
            wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
            recovery = time.monotonic() - began
            wait_for_answers(load, 50)
    unnoticed("a model that is away for a while", load, pings, recovery=recovery)
