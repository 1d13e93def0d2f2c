"""Workers that die, hang or stop: what their clients, the others' clients and /ping see of it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.load import FAULTY, LONG, Load, Pings, report, wait_for_answers, workers
from tests.serve.running import Answer, Server, require_nginx
from tests.support import is_alive, wait_until


@pytest.fixture(autouse=True)
def _nginx() -> None:
    require_nginx()


def test_killed_workers_cost_nobody_an_answer(tmp_path: Path) -> None:
    """SIGKILL for one worker after the other under load: no request fails, and ping stays 200."""
    recovery = 0.0
    with (
        Server(tmp_path, FAULTY) as server,
        Pings(server.wait_ready()) as pings,
        Load(server, command="sleep 0.005") as load,
    ):
        for _ in range(1200 if LONG else 6):
            victim, *others = workers(server)
            os.kill(victim, signal.SIGKILL)
            began = time.monotonic()
            wait_until(lambda: len(set(workers(server)) - {victim}) > len(others), timeout=20)  # noqa: B023
            recovery = max(recovery, time.monotonic() - began)
            wait_for_answers(load, 50)
    report(
        "kill -9 worker", n=load.count, failed=len(load.failures), recovery=recovery, ping_max=pings.slowest
    )
    assert load.failures == []
    assert load.count > 200
    assert recovery < 1
    assert pings.slowest < 2


@pytest.mark.parametrize("retry", ["true", "false"])
def test_poison_runs_twice_at_most(tmp_path: Path, retry: str) -> None:
    """A body that kills its worker costs two workers, marked the second time, and nobody else's request."""
    runs = tmp_path / "runs"
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_RETRY=retry) as server:
        with Pings(server.wait_ready()) as pings, Load(server) as load:
            wait_for_answers(load, 50)
            answer = server.invoke(f"record {runs} abort")
            wait_for_answers(load, 50)
        assert (answer.status, answer.error["code"]) == (502, "worker_died")
    marks = [line.split(" ")[1] for line in runs.read_text().splitlines()]
    report(f"poison, retry {retry}", n=load.count, failed=len(load.failures), ping_max=pings.slowest)
    assert marks == (["", "1"] if retry == "true" else [""])
    assert load.failures == []
    assert pings.slowest < 2


def test_mark_of_a_repeated_request_cannot_be_forged(tmp_path: Path) -> None:
    """Only nginx says that a request is repeated."""
    runs = tmp_path / "runs"
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready().invoke(f"record {runs}", **{"X-Mlberth-Repeated": "1"})
    assert runs.read_text().split(" ")[1] == "\n"


@pytest.mark.parametrize("command", ["hang", "hang-in-c", "stop"])
def test_hung_prediction_is_late_once(tmp_path: Path, command: str) -> None:
    """504 at the timeout, run once, its worker replaced; ping and the other worker do not notice.

    The same for one that hangs in Python, in C code with the interpreter locked, and for SIGSTOP.
    """
    runs = tmp_path / "runs"
    answers: list[Answer] = []
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_TIMEOUT="1") as server:
        server.wait_ready()
        with Pings(server) as pings, Load(server, clients=2) as load:
            began = time.monotonic()
            hung = threading.Thread(target=lambda: answers.append(server.invoke(f"record {runs} {command}")))
            hung.start()
            wait_until(runs.exists)
            victim = int(runs.read_text().split()[0])
            hung.join(10)
            answered = time.monotonic() - began
            wait_until(lambda: not is_alive(victim))
            wait_until(lambda: len(workers(server)) == 2)
            recovery = time.monotonic() - began - 1
            wait_for_answers(load, 50)
    report(command, n=load.count, failed=len(load.failures), recovery=recovery, ping_max=pings.slowest)
    assert (answers[0].status, answers[0].error["code"]) == (504, "timeout")
    assert 1 <= answered < 2
    assert len(runs.read_text().splitlines()) == 1
    assert load.failures == []
    assert recovery < 4
    assert pings.statuses == {200}
    assert pings.slowest < 2


def test_ping_tells_that_every_worker_is_wedged(tmp_path: Path) -> None:
    """With no worker that gives a sign of life /ping is 503 wedged, and 200 again with the next one."""
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server:
        server.wait_ready()
        # The master cannot replace the worker while it is stopped itself.
        master, worker = server.children()["gunicorn"], workers(server)[0]
        os.kill(master, signal.SIGSTOP)
        os.kill(worker, signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: server.ping() == 503)
        wedged = time.monotonic() - began
        assert server.request("GET", "/ping").error["code"] == "wedged"
        os.kill(master, signal.SIGCONT)
        began = time.monotonic()
        wait_until(lambda: server.ping() == 200)
        report("SIGSTOP of all", n=1, failed=0, recovery=time.monotonic() - began)
        assert 2 <= wedged < 5
        assert server.invoke("1").status == 200


def test_busy_worker_is_not_wedged(tmp_path: Path) -> None:
    """A request that takes nearly all of the timeout leaves /ping at 200."""
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server, Pings(server.wait_ready()) as pings:
        assert server.invoke("sleep 1.7").status == 200
    assert pings.statuses == {200}


@contextlib.contextmanager
def self_loading(folder: Path, model: Path) -> Iterator[Server]:
    """Run two workers, each of which has loaded the model for itself."""
    loads = folder / "loads"
    variables = {"FAULTY_MODEL": str(model), "FAULTY_THREAD": "1", "FAULTY_LOADS": str(loads)}
    with Server(folder, FAULTY, **variables) as server:
        wait_until(lambda: loads.exists() and len(loads.read_text().splitlines()) == 3)
        yield server.wait_ready()


def test_worker_that_cannot_be_replaced(tmp_path: Path) -> None:
    """A model that is gone after the start gets four tries, with growing pauses; then the end says why."""
    model = tmp_path / "model"
    model.write_text("1")
    with self_loading(tmp_path, model) as server:
        model.unlink()
        began = time.monotonic()
        for worker in workers(server):
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: server.ping() == 503)
        unready = time.monotonic() - began
        assert server.process.wait(30) == 70
        report("no replacement", n=1, failed=0, recovery=time.monotonic() - began)
        assert unready < 2
        assert server.text.count("could not be started, the next try is in") == 3
        assert server.failure["error"] == "FileNotFoundError"


def test_model_that_cannot_be_loaded_again_leaves_the_other_worker(tmp_path: Path) -> None:
    """While one worker cannot be replaced the other serves, and a model that is back is taken."""
    model = tmp_path / "model"
    model.write_text("1")
    with self_loading(tmp_path, model) as server:
        model.unlink()
        victim, _ = workers(server)
        with Load(server) as load, Pings(server) as pings:
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: "the next try is in 2 s" in server.text)
            model.write_text("1")
            wait_until(lambda: len(workers(server)) == 2)
    assert load.failures == []
    assert pings.statuses == {200}
