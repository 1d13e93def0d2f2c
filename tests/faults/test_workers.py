"""Workers that die, hang, stop or grow: what their clients, the others' clients and /ping see of it."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from pathlib import Path

import pytest
from tests.faults.load import (
    FAULTY,
    LONG,
    PATIENCE,
    Load,
    Pings,
    quantile,
    report,
    unnoticed,
    wait_for_answers,
    workers,
)
from tests.serve.running import Answer, Server
from tests.support import is_alive, wait_until

TRIES = 3
"""How often a bar of time may be missed on a machine that has other work."""
KILLING_SECONDS = 240.0
CLOCK = 0.005
"""How much too early nginx may find a timeout over: it counts in milliseconds, from when it last looked."""


pytestmark = pytest.mark.usefixtures("nginx")


def kill_worker(server: Server, load: Load) -> float:
    """Kill one worker, and return how long it took until another had answered in its place."""
    before = workers(server)
    os.kill(before[0], signal.SIGKILL)
    began = time.monotonic()
    wait_until(lambda: int(server.invoke("worker").body) not in before, timeout=PATIENCE)
    recovery = time.monotonic() - began
    wait_for_answers(load, 50)
    return recovery


def test_18_killed_workers_cost_nobody_an_answer(tmp_path: Path) -> None:
    """SIGKILL for one worker after the other under load: no request fails, and ping stays 200."""
    recoveries: list[float] = []
    with_kills: list[float] = []
    without: list[float] = []
    with (
        Server(tmp_path, FAULTY) as server,
        Pings(server.wait_ready()) as pings,
        Load(server, command="sleep 0.005") as load,
    ):
        wait_for_answers(load, 200)
        began = time.monotonic()
        # Turn by turn, so that what else the machine does is in both.
        while not recoveries or (LONG and time.monotonic() - began < KILLING_SECONDS):
            load.times.clear()
            wait_for_answers(load, 1000 if LONG else 100)
            without += load.times
            load.times.clear()
            for _ in range(20 if LONG else 6):
                recoveries.append(kill_worker(server, load))
                load.ended.wait(0.5 if LONG else 0)
            with_kills += load.times
    recovery = statistics.median(recoveries)
    growth = quantile(with_kills, 0.99) / quantile(without, 0.99)
    kills = len(recoveries)
    unnoticed("kill -9 of a worker", load, pings, recovery=recovery, kills=kills, p99_growth=growth)
    assert growth < 3 or not LONG
    assert recovery < (1 if LONG else 5)
    assert pings.judged < 2


@pytest.mark.parametrize("retry", ["true", "false"])
def test_19_poison_runs_twice_at_most(tmp_path: Path, retry: str) -> None:
    """A body that kills its worker costs two workers, marked the second time, and nobody else's request."""
    runs = tmp_path / "runs"
    times = 20 if LONG else 1
    with (
        Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_RETRY=retry) as server,
        Pings(server.wait_ready()) as pings,
        Load(server) as load,
    ):
        for _ in range(times):
            wait_for_answers(load, 50)
            answer = server.invoke(f"record {runs} abort")
            assert (answer.status, answer.error["code"]) == (502, "worker_died")
        wait_for_answers(load, 50)
    marks = [line.split(" ")[1] for line in runs.read_text().splitlines()]
    name = "a request that kills its worker" + ("" if retry == "true" else ", not to be repeated")
    report(name, n=load.count, failed=len(load.failures), pings=pings, runs=len(marks) / times)
    assert marks == (["", "1"] if retry == "true" else [""]) * times
    assert load.failures == []
    assert pings.judged < 2


def test_19_mark_of_a_repeated_request_cannot_be_forged(tmp_path: Path) -> None:
    """Only nginx says that a request is repeated."""
    runs = tmp_path / "runs"
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready().invoke(f"record {runs}", **{"X-Mlberth-Retry": "1"})
    assert runs.read_text().split(" ")[1] == "\n"


def hang(server: Server, runs: Path, command: str) -> tuple[Answer, float, float]:
    """Send what hangs; return its answer, how long it took, and when all workers were there again."""
    runs.unlink(missing_ok=True)
    answers: list[Answer] = []
    began = time.monotonic()
    hung = threading.Thread(target=lambda: answers.append(server.invoke(f"record {runs} {command}")))
    hung.start()
    wait_until(lambda: runs.exists() and runs.read_text(), timeout=PATIENCE)
    victim = int(runs.read_text().split()[0])
    hung.join(PATIENCE)
    answered = time.monotonic() - began
    wait_until(lambda: not is_alive(victim), timeout=PATIENCE)
    wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
    assert len(runs.read_text().splitlines()) == 1
    return answers[0], answered, time.monotonic() - began


def check_hung_prediction(folder: Path, fault: str, command: str) -> None:
    """Expect 504 at the timeout, one run, another worker; ping and the other worker notice nothing."""
    timeout = 1.0
    with Server(folder, FAULTY, SAGEMAKER_MODEL_SERVER_TIMEOUT=str(timeout)) as server:
        server.wait_ready()
        with Pings(server) as pings, Load(server, clients=2) as load:
            for _ in range(TRIES):
                answer, answered, recovered = hang(server, folder / "runs", command)
                assert (answer.status, answer.error["code"]) == (504, "timeout")
                wait_for_answers(load, 50)
                if answered < timeout + 1 and recovered < timeout + 3:
                    break
    late, recovery = answered - timeout, recovered - timeout
    unnoticed(fault, load, pings, recovery=recovery, late_s=max(0.0, late))
    assert -CLOCK <= late < (1 if LONG else 3)
    assert recovery < (3 if LONG else 10)
    assert pings.judged < 2


def test_25_hung_prediction_is_late_once(tmp_path: Path) -> None:
    """A prediction that sleeps for ever."""
    check_hung_prediction(tmp_path, "a prediction that hangs", "hang")


def test_26_stopped_worker_is_replaced(tmp_path: Path) -> None:
    """A worker that gets SIGSTOP as it predicts."""
    check_hung_prediction(tmp_path, "SIGSTOP of a worker", "stop")


@pytest.mark.parametrize("command", ["hang-in-c", "backtrack"])
def test_27_prediction_that_holds_the_interpreter_is_replaced(tmp_path: Path, command: str) -> None:
    """A loop in C code, and a regular expression that never ends: no thread of the worker gets to run."""
    check_hung_prediction(tmp_path, f"a prediction that holds the GIL: {command}", command)


@pytest.mark.parametrize("command", ["backtrack", *(["hang", "stop"] if LONG else [])])
def test_27_who_shares_a_worker_with_a_hung_prediction_is_freed(tmp_path: Path, command: str) -> None:
    """What nginx has sent on the worker's other connections is soon answered by another worker."""
    timeout = 6.0
    with (
        Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_TIMEOUT=str(timeout)) as server,
        Pings(server.wait_ready()) as pings,
        Load(server, clients=16) as load,
    ):
        wait_for_answers(load, 2000)  # by then both workers keep a connection for each that may wait
        load.times.clear()
        answer, _, recovered = hang(server, tmp_path / "runs", command)
        longest = max(load.times)
    report(
        f"others of a worker with a hung prediction: {command}",
        n=load.count,
        failed=len(load.failures),
        recovery=recovered - timeout,
        pings=pings,
        longest_s=longest,
    )
    assert answer.status == 504
    assert load.failures == []
    assert longest < timeout / 2


def test_26_ping_tells_that_every_worker_is_wedged(tmp_path: Path) -> None:
    """With no worker that gives a sign of life /ping is 503 wedged, and 200 again with the next one."""
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server:
        server.wait_ready()
        # The master cannot replace the worker while it is stopped itself.
        master, worker = server.children()["gunicorn"], workers(server)[0]
        os.kill(master, signal.SIGSTOP)
        os.kill(worker, signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: server.ping() == 503, timeout=PATIENCE)
        wedged = time.monotonic() - began
        assert server.request("GET", "/ping").error["code"] == "wedged"
        os.kill(master, signal.SIGCONT)
        began = time.monotonic()
        wait_until(lambda: server.ping() == 200, timeout=PATIENCE)
        report("SIGSTOP of all workers", n=1, failed=0, recovery=time.monotonic() - began)
        assert wedged >= 2
        assert server.invoke("1").status == 200


def test_25_busy_worker_is_not_wedged(tmp_path: Path) -> None:
    """A request that takes nearly all of the timeout leaves /ping at 200."""
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "4", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server, Pings(server.wait_ready()) as pings:
        assert server.invoke("sleep 2.5").status == 200
    assert pings.statuses == {200}


@pytest.mark.parametrize("limit", ["MAX_REQUESTS", "MAX_MEMORY_IN_MB"])
def test_29_worker_that_leaks_is_replaced(tmp_path: Path, limit: str) -> None:
    """By the number of its requests or by its memory, and no request fails."""
    ceiling = 200
    variables = {f"SAGEMAKER_MODEL_SERVER_{limit}": "100" if limit == "MAX_REQUESTS" else "120"}
    seen: set[int] = set()
    largest = 0
    goal = 12_000 if LONG else 600
    with (
        Server(tmp_path, FAULTY, **variables) as server,
        Pings(server.wait_ready()) as pings,
        Load(server, command="leak 1") as load,
    ):
        while load.count < goal and not load.failures:
            living = workers(server)
            seen.update(living)
            largest = max([largest, *map(resident, living)])
            wait_for_answers(load, 10)
    report(
        f"a leak of 1 MB a request, {limit}",
        n=load.count,
        failed=len(load.failures),
        pings=pings,
        largest_mb=largest,
        workers=len(seen),
    )
    assert load.failures == []
    assert len(seen) > 4
    assert largest < ceiling
    assert pings.judged < 2


def resident(pid: int) -> int:
    """Return a process's resident memory in MB, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (FileNotFoundError, ProcessLookupError):
        return 0
