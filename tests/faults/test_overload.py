"""More clients than can be served, and answers that must stay their own requests' through every fault."""

from __future__ import annotations

import contextlib
import os
import signal
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
from tests.serve.running import Server
from tests.support import wait_until

CAPACITY = 2 / 0.05
"""Answers a second of two workers that take 50 ms each."""
TRIES = 4


pytestmark = pytest.mark.usefixtures("nginx")


def test_33_overload_is_refused_early(tmp_path: Path) -> None:
    """Ten times what can be served: the surplus gets 503 at once, the rest is served, ping is quick."""
    seconds = 60 if LONG else 3
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="8") as server:
        server.wait_ready()
        with Pings(server) as pings, Load(server, clients=80, command="sleep 0.05", backoff=0.5) as load:
            answer_refused = None
            while answer_refused is None:
                answer = server.invoke("1")
                answer_refused = answer if answer.status == 503 else None
            for _ in range(TRIES):
                goodput, shed, p99 = measure(load, pings, seconds)
                if goodput > 0.9 and shed < 0.05 and p99 < 0.25 and pings.slowest < 2:
                    break
    unnoticed("10 times the load", load, pings, ping_p99_s=p99, shed_s=shed, goodput=goodput)
    assert answer_refused.error["code"] == "overloaded"
    assert answer_refused.headers["Retry-After"] == "1"
    assert answer_refused.headers["X-Request-Id"] == answer_refused.error["request_id"]
    assert load.refused
    assert shed < 0.05
    assert goodput > (0.9 if LONG else 0.7)
    assert p99 < (0.25 if LONG else 1)
    assert pings.judged < 2


def measure(load: Load, pings: Pings, seconds: float) -> tuple[float, float, float]:
    """Return goodput as a share of the capacity, the median time of a 503 and ping's p99, from now on."""
    load.refused.clear()
    pings.times.clear()
    before, began = load.count, time.monotonic()
    wait_until(lambda: time.monotonic() - began > seconds, timeout=seconds + 30)
    goodput = (load.count - before) / (time.monotonic() - began) / CAPACITY
    return goodput, quantile(load.refused, 0.5), quantile(pings.times, 0.99)


def test_33_many_clients_are_not_overload(tmp_path: Path) -> None:
    """64 clients on two workers are never refused."""
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        with Pings(server) as pings, Load(server, clients=64) as load:
            wait_for_answers(load, 20_000 if LONG else 1000)
    unnoticed("64 clients", load, pings)


def test_33_batch_transform_is_never_refused(tmp_path: Path) -> None:
    """SAGEMAKER_BATCH takes the limit away, whatever it was set to."""
    variables = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": "1"}
    with Server(tmp_path, FAULTY, **variables) as server, Load(server.wait_ready(), clients=16) as load:
        wait_for_answers(load, 300)
    unnoticed("a batch transform", load)


def test_33_every_answer_is_its_own_requests(tmp_path: Path) -> None:
    """Each client gets its own number back while workers are killed and recycled and models reloaded."""
    goal = 1_000_000 if LONG else 10_000
    step = goal // 50
    with (
        Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_MAX_REQUESTS="1000") as server,
        Pings(server.wait_ready()) as pings,
        Load(server, clients=8) as load,
    ):
        reloads = 0
        while load.count < goal and not load.failures:
            # Never the only one: what dies with two workers, one after the other, is not tried a third time.
            wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
            alive = workers(server)
            if len(alive) == 2:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(alive[-1], signal.SIGKILL)
            wait_for_answers(load, step)
            if load.count > goal * (reloads + 1) / 5 and server.text.count("reloaded in") == reloads:
                server.process.send_signal(signal.SIGHUP)
                reloads += 1
    report("a million echoes" if LONG else "echoes", n=load.count, failed=len(load.failures), pings=pings)
    assert load.failures == []
    # Both workers may be away at once, one killed and one recycled; a moment later they are not.
    assert pings.statuses <= {200, 503}
