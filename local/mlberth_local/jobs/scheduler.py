"""The queue of jobs, and a thread for each job that runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlberth_local.jobs.capacity import Capacity, Demand
from mlberth_local.store.resources import Resource

Key = tuple[str, str]
"""Kind and name of a job."""
Drive = Callable[[Key, threading.Event], None]
"""Brings a job to its end; the event is set when something was changed in its record."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Running:
    thread: threading.Thread
    changed: threading.Event
    demand: Demand


class Scheduler:
    """Starts jobs in the order of their arrival, as many at once as there is room for.

    The first in the queue is never passed by a smaller one: so none waits for ever.
    """

    def __init__(self, capacity: Capacity, drive: Drive) -> None:
        self._capacity = capacity
        self._drive = drive
        self._waiting: dict[Key, Demand] = {}
        self._running: dict[Key, _Running] = {}
        self._lock = threading.Condition()
        self._closed = False

    def recover(self, jobs: Iterable[tuple[Resource, Demand]]) -> None:
        """Take up the jobs that an earlier daemon has left, oldest first: those that ran go on at once."""
        with self._lock:
            for job, demand in jobs:
                if (job.kind, job.name) in {*self._waiting, *self._running}:
                    continue  # it was submitted a moment ago
                if job.state["phase"] == "waiting" and job.status == "InProgress":
                    self._waiting[job.kind, job.name] = demand
                else:
                    self._start((job.kind, job.name), demand)
            self._admit()

    def submit(self, key: Key, demand: Demand) -> None:
        """Add a job whose record is committed."""
        with self._lock:
            self._waiting[key] = demand
            self._admit()

    def changed(self, key: Key) -> None:
        """Say that a job's record was changed: it is looked at now. A job that waits need wait no longer."""
        with self._lock:
            if key in self._waiting:
                self._start(key, self._waiting.pop(key))
            elif running := self._running.get(key):
                running.changed.set()

    def is_running(self, key: Key) -> bool:
        """Return whether a job has a thread."""
        with self._lock:
            return key in self._running

    def join(self, timeout: float | None = None) -> bool:
        """Return whether no job is left, at the latest after `timeout` seconds."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._running and not self._waiting, timeout)

    def close(self) -> None:
        """Start no more jobs."""
        with self._lock:
            self._closed = True

    def _admit(self) -> None:
        while self._waiting and not self._closed:
            key, demand = next(iter(self._waiting.items()))
            if not self._capacity.has_room((one.demand for one in self._running.values()), demand):
                return
            del self._waiting[key]
            self._start(key, demand)

    def _start(self, key: Key, demand: Demand) -> None:
        changed = threading.Event()
        thread = threading.Thread(target=self._run, args=(key, changed), daemon=True, name="/".join(key))
        self._running[key] = _Running(thread, changed, demand)
        thread.start()

    def _run(self, key: Key, changed: threading.Event) -> None:
        try:
            self._drive(key, changed)
        except Exception:
            log.exception("%s %s: the job cannot be brought to its end", *key)
        finally:
            with self._lock:
                del self._running[key]
                self._admit()
                self._lock.notify_all()
