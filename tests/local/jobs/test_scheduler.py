"""Who starts when, and with which GPUs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from tests.support import wait_until

from mlberth_local.jobs.capacity import Capacity, Demand
from mlberth_local.jobs.scheduler import Key, Scheduler, Turn, Wish
from mlberth_local.store.resources import Resource


class Jobs:
    """Jobs that run until they are let go."""

    def __init__(self, capacity: Capacity) -> None:
        self.started: dict[str, list[str]] = {}
        self.turns: dict[str, Turn] = {}
        self._going: dict[str, threading.Event] = {}
        self.waited: list[str] = []
        self.scheduler = Scheduler(capacity, self._drive, on_wait=lambda key: self.waited.append(key[1]))

    def _drive(self, key: Key, turn: Turn) -> None:
        going = self._going.setdefault(key[1], threading.Event())
        self.turns[key[1]] = turn
        self.started[key[1]] = list(turn.gpus)
        going.wait(60)

    def submit(self, name: str, cpus: float = 1, gpus: int = 0, until: float = float("inf")) -> None:
        """Add a job to the queue."""
        self.scheduler.submit(("training-job", name), Wish(Demand(cpus, gpus=gpus), until))

    def end(self, *names: str) -> None:
        """Let jobs come to their ends."""
        for name in names:
            wait_until(lambda name=name: name in self._going)  # type: ignore[misc]
            self._going[name].set()
            key = ("training-job", name)
            wait_until(lambda key=key: not self.scheduler.is_running(key))  # type: ignore[misc]

    def running(self, *names: str) -> None:
        """See that just these have been started; each later one would have been, too."""
        wait_until(lambda: sorted(self.started) == sorted(names), message=f"{names}: {self.started}")


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """Return jobs on a machine with 4 CPUs and 4 GPUs."""
    found = Jobs(Capacity(4, 2**30, gpus=("0", "1", "2", "3")))
    yield found
    found.scheduler.close()
    for event in found._going.values():
        event.set()
    wait_until(lambda: not found.scheduler._running)


def test_those_that_wait_are_said(jobs: Jobs) -> None:
    """Before they start, and not those that find room at once."""
    for name, cpus in (("a", 3), ("b", 2), ("c", 1)):
        jobs.submit(name, cpus)
    assert jobs.waited == ["b", "c"]
    jobs.end("a")
    jobs.running("a", "b", "c")
    assert jobs.waited == ["b", "c"]


def test_gpus_go_to_one_job_at_a_time(jobs: Jobs) -> None:
    """Each has its own; they are free again at its end."""
    jobs.submit("a", gpus=1)
    jobs.submit("b", gpus=2)
    jobs.submit("c", gpus=2)
    jobs.running("a", "b")
    assert jobs.started == {"a": ["0"], "b": ["1", "2"]}
    jobs.end("a")
    jobs.running("a", "b", "c")
    assert jobs.started["c"] == ["0", "3"]


def test_none_is_starved(jobs: Jobs) -> None:
    """One that needs all GPUs has them next, however many small ones come; others need not wait for it."""
    jobs.submit("a", gpus=1)
    jobs.submit("large", gpus=4)
    jobs.submit("small", gpus=1)
    jobs.submit("cpu")
    jobs.running("a", "cpu")
    jobs.submit("more")  # the fourth CPU is the large job's
    jobs.submit("most")
    jobs.running("a", "cpu")
    jobs.end("a")
    jobs.running("a", "cpu", "large", "more")
    assert jobs.started["large"] == ["0", "1", "2", "3"]
    jobs.end("large")
    jobs.running("a", "cpu", "large", "more", "small", "most")


def test_one_that_stops_need_not_wait(jobs: Jobs) -> None:
    """It has no GPUs, and does not hold up those behind it; any other change leaves it in the queue."""
    jobs.submit("a", gpus=3)
    jobs.submit("b", gpus=2)
    jobs.submit("c", gpus=1)
    jobs.running("a")
    jobs.scheduler.changed(("training-job", "b"), stops=False)
    jobs.running("a")
    jobs.scheduler.changed(("training-job", "b"), stops=True)
    jobs.running("a", "b", "c")
    assert (jobs.started["b"], jobs.started["c"]) == ([], ["3"])


def test_one_that_has_waited_long_enough(jobs: Jobs) -> None:
    """It leaves the queue by itself, without GPUs."""
    jobs.submit("a", gpus=4)
    jobs.submit("b", gpus=4, until=time.time() + 0.2)
    jobs.submit("c", gpus=4, until=time.time() + 3600)
    jobs.running("a", "b")
    assert jobs.started["b"] == []


def test_one_whose_programs_have_ended_holds_up_nobody(jobs: Jobs) -> None:
    """While its results are stored, its CPUs and GPUs are another's."""
    jobs.submit("a", cpus=4, gpus=4)
    jobs.submit("b", cpus=4, gpus=4)
    jobs.running("a")
    jobs.turns["a"].release()
    jobs.running("a", "b")
    assert jobs.started["b"] == ["0", "1", "2", "3"]
    jobs.submit("c")
    jobs.end("a")
    jobs.running("a", "b")
    jobs.end("b")
    jobs.running("a", "b", "c")


def test_what_an_earlier_daemon_has_given_away() -> None:
    """Jobs that run keep their GPUs, also those that are no longer for jobs; the rest is free."""
    jobs = Jobs(Capacity(4, 2**30, gpus=("0", "1")))

    def left(name: str, phase: str, gpus: list[str], wanted: int) -> tuple[Resource, Wish]:
        state = {"phase": phase, "gpus": {"algo-1": gpus}}
        row = Resource("training-job", name, "arn", 0, 0, "InProgress", {}, state)
        return row, Wish(Demand(1, gpus=wanted))

    jobs.scheduler.recover(
        [
            left("a", "running", ["1", "7"], 2),
            left("up", "uploading", ["0"], 1),
            left("b", "waiting", [], 1),
            left("c", "waiting", [], 2),
        ]
    )
    jobs.running("a", "up", "b")
    assert jobs.started == {"a": ["1", "7"], "up": [], "b": ["0"]}
    jobs.end("a", "up", "b")
    jobs.running("a", "up", "b", "c")
    assert jobs.started["c"] == ["0", "1"]
    jobs.end("c")
    assert jobs.scheduler.join(30)
