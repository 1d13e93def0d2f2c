"""Loading the model: once, in workers where it must be, and failures that end the server."""

from __future__ import annotations

import gc
import os
import signal
import threading
import types
from pathlib import Path

import pytest
from tests.serve.running import Server, children_of
from tests.support import wait_until

from mlberth_serve.worker.preload import load, why_not_fork


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []


def test_model_is_loaded_once_for_all_workers(tmp_path: Path) -> None:
    """The master loads the model, and the workers are forked from it."""
    loads = tmp_path / "loads"
    with Server(tmp_path, STANDIN_LOADS=str(loads)) as server:
        server.wait_ready()
        assert lines(loads) == [str(server.children()["gunicorn"])]


def test_threads_after_the_load_make_each_worker_load(tmp_path: Path) -> None:
    """A model that leaves threads behind is loaded by each worker, in a master started afresh."""
    loads = tmp_path / "loads"
    with Server(tmp_path, STANDIN_LOADS=str(loads), STANDIN_THREAD="1") as server:
        server.wait_ready()
        wait_until(lambda: len(lines(loads)) == 3)
        master = str(server.children()["gunicorn"])
        assert lines(loads).count(master) == 1
        assert server.text.count("2 threads run after the model was loaded") == 1
        assert server.invoke("1").body == b"1"
        assert server.stop() == 0


@pytest.mark.parametrize("nginx", ["true", "false"])
def test_model_that_does_not_load_ends_the_server(tmp_path: Path, nginx: str) -> None:
    """The cause is one JSON line of the log, without a traceback, and the exit code is 65."""
    (tmp_path / "fail").touch()
    with Server(
        tmp_path, SAGEMAKER_USE_NGINX=nginx, STANDIN_FAIL=str(tmp_path / "fail"), SAGEMAKER_LOG_FORMAT="json"
    ) as server:
        assert server.process.wait(20) == 65
        assert_failed_to_load(server)


def test_model_that_does_not_load_again_ends_the_server(tmp_path: Path) -> None:
    """The same holds where a worker that loads for itself is replaced and the new one cannot load."""
    with Server(
        tmp_path, STANDIN_THREAD="1", STANDIN_FAIL=str(tmp_path / "fail"), SAGEMAKER_LOG_FORMAT="json"
    ) as server:
        wait_for_both(server)
        (tmp_path / "fail").touch()
        kill_a_worker(server)
        assert server.process.wait(20) == 65
        assert_failed_to_load(server)


def assert_failed_to_load(server: Server) -> None:
    """Check what the log says of a model that cannot be loaded."""
    assert server.failure["error"] == "ModelLoadError"
    assert server.failure["exit_code"] == 65
    assert server.failure["faults"][0]["where"] == "model.joblib"
    assert "Traceback" not in server.text
    assert not server.is_open()


def wait_for_both(server: Server) -> None:
    """Wait until both workers have loaded; /ping says so of the first already."""
    server.wait_ready()
    wait_until(lambda: b"\nmlberth_workers 2.0\n" in server.request("GET", "/metrics").body)


def kill_a_worker(server: Server) -> None:
    """Kill a worker, so that a new one has to load."""
    worker, *_ = children_of(server.children()["gunicorn"])
    os.kill(worker, signal.SIGKILL)


def test_workers_that_die_before_they_have_loaded_end_the_server(tmp_path: Path) -> None:
    """Four such deaths in a row are enough; there is no endless respawn."""
    die = tmp_path / "die"
    loads = tmp_path / "loads"
    variables = {"STANDIN_DIE": str(die), "STANDIN_THREAD": "1", "STANDIN_LOADS": str(loads)}
    with Server(tmp_path, SAGEMAKER_LOG_FORMAT="json", **variables) as server:
        wait_for_both(server)
        die.touch()
        kill_a_worker(server)
        assert server.process.wait(20) == 65
        assert server.failure["faults"][0]["where"] == "workers"
        assert "4 in a row" in server.failure["faults"][0]["found"]
        assert len(lines(loads)) == 1 + 2 + 4  # the master, the first two workers, the four that died


def test_load_may_take_longer_than_a_request(tmp_path: Path) -> None:
    """The timeout is for requests: a worker that is still loading is not killed for it."""
    gate, loads = tmp_path / "gate", tmp_path / "loads"
    gate.touch()
    variables = {"STANDIN_THREAD": "1", "STANDIN_LOADS": str(loads), "STANDIN_GATE": str(gate)}
    with Server(tmp_path, SAGEMAKER_MODEL_SERVER_TIMEOUT="1", **variables) as server:
        wait_for_both(server)
        gate.unlink()
        kill_a_worker(server)
        wait_until(lambda: len(lines(loads)) == 4)
        threading.Event().wait(4)  # what is tested is that nothing happens: gunicorn looks once a second
        gate.touch()
        wait_until(lambda: server.text.count("Booting worker") == 3)
        assert "WORKER TIMEOUT" not in server.text


def test_application_that_is_not_there(tmp_path: Path) -> None:
    """What is no error of ours counts as the platform's: exit code 70, and still one JSON line."""
    with Server(tmp_path, application="standin:missing", SAGEMAKER_LOG_FORMAT="json") as server:
        assert server.process.wait(20) == 70
        assert server.failure["exit_code"] == 70


def add_task(tasks: Path, name: str) -> None:
    """Add a thread to a folder like /proc/self/task."""
    (tasks / name).mkdir()
    (tasks / name / "comm").write_text(f"{name}\n")


def test_two_threads_are_a_reason_not_to_fork(tmp_path: Path) -> None:
    """One thread is none, nor is an allocator's beside it that sees to forks itself."""
    add_task(tmp_path, "python")
    add_task(tmp_path, "jemalloc_bg_thd")
    assert why_not_fork(tmp_path, {}) is None
    add_task(tmp_path, "openblas")
    assert why_not_fork(tmp_path, {}) == "2 threads run"


def test_used_gpu_is_a_reason_not_to_fork(tmp_path: Path) -> None:
    """A CUDA context does not survive a fork."""
    add_task(tmp_path, "python")
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: True)  # type: ignore[attr-defined]
    assert why_not_fork(tmp_path, {"torch": torch}) == "CUDA is in use"
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: False)  # type: ignore[attr-defined]
    assert why_not_fork(tmp_path, {"torch": torch}) is None


def test_garbage_collector_runs_again_after_the_load() -> None:
    """It is off while the model is loaded, and on afterwards, with the model out of its sight."""
    try:
        assert load("flask:Flask") is not None
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
