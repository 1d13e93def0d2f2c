"""The queue of jobs, and a thread for each job that runs."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlberth_local.jobs.capacity import Capacity, Demand
from mlberth_local.store.resources import Resource

Key = tuple[str, str]
"""Kind and name of a job."""

_AFTER = 0.01
"""Seconds by which an alarm is later than what it is for, so that that has passed by the clock."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turn:
    """A job's time on the machine."""

    changed: threading.Event
    """Set when something was changed in its record."""
    gpus: Sequence[str]
    """The numbers of those that are its own."""
    release: Callable[[], None]
    """To be called when its programs have ended: the next job need not wait until its results are stored."""


Drive = Callable[[Key, Turn], None]
"""Brings a job to its end."""


@dataclass(frozen=True)
class Wish:
    """What a job needs to start, and until when it waits for that."""

    demand: Demand
    until: float = math.inf
    """In seconds since the epoch. After it the job is driven all the same, to its end."""


@dataclass(frozen=True)
class _Running:
    thread: threading.Thread
    changed: threading.Event
    demand: Demand
    gpus: tuple[str, ...]


def _ignore(key: Key) -> None:
    """Take no notice."""


class Scheduler:
    """Starts jobs in the order of their arrival, as many at once as there is room for.

    What a job waits for is kept for it: so none waits for ever.
    """

    def __init__(
        self,
        capacity: Capacity,
        drive: Drive,
        clock: Callable[[], float] = time.time,
        *,
        on_wait: Callable[[Key], None] = _ignore,
    ) -> None:
        """Begin with no jobs; `on_wait` is told of each that finds no room, before it can have any."""
        self._capacity = capacity
        self._drive = drive
        self._clock = clock
        self._on_wait = on_wait
        self._waiting: dict[Key, Wish] = {}
        self._running: dict[Key, _Running] = {}
        self._lock = threading.Condition()
        self._alarm: threading.Timer | None = None
        self._closed = False

    def recover(self, jobs: Iterable[tuple[Resource, Wish]]) -> None:
        """Take up the jobs that an earlier daemon has left, oldest first: those that ran go on at once."""
        with self._lock:
            for job, wish in jobs:
                if (job.kind, job.name) in {*self._waiting, *self._running}:
                    continue  # it was submitted a moment ago
                if job.state["phase"] == "waiting" and job.status == "InProgress":
                    self._waiting[job.kind, job.name] = wish
                elif job.state["phase"] == "uploading":
                    self._start((job.kind, job.name), Demand(0), ())
                else:
                    taken = [gpu for host in (job.state.get("gpus") or {}).values() for gpu in host]
                    self._start((job.kind, job.name), wish.demand, taken)
            self._admit()
            for key in self._waiting:
                self._on_wait(key)

    def submit(self, key: Key, wish: Wish) -> None:
        """Add a job whose record is committed."""
        with self._lock:
            self._waiting[key] = wish
            self._admit()
            if key in self._waiting:
                self._on_wait(key)

    def changed(self, key: Key, *, stops: bool) -> None:
        """Say that a job's record was changed: it is looked at now. One that stops need wait no longer."""
        with self._lock:
            if stops and key in self._waiting:
                self._end_waiting(key)
                self._admit()
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
            self._set_alarm()

    def _admit(self) -> None:
        """Start those that may; the caller has the lock."""
        if self._closed:
            return
        now, queue = self._clock(), list(self._waiting.items())
        for key, wish in queue:
            if now > wish.until:
                self._end_waiting(key)
        queue = list(self._waiting.items())
        running = [one.demand for one in self._running.values()]
        for place in self._capacity.admitted(running, [wish.demand for _, wish in queue]):
            key, wish = queue[place]
            del self._waiting[key]
            self._start(key, wish.demand, self._free_gpus()[: wish.demand.gpus])
        self._set_alarm()

    def _free_gpus(self) -> list[str]:
        taken = {gpu for one in self._running.values() for gpu in one.gpus}
        return [gpu for gpu in self._capacity.gpus if gpu not in taken]

    def _end_waiting(self, key: Key) -> None:
        """Let a job come to its end without having had a turn."""
        del self._waiting[key]
        self._start(key, Demand(0), ())

    def _set_alarm(self) -> None:
        """Look at the queue again when the first job there has waited long enough."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        first = min((wish.until for wish in self._waiting.values()), default=math.inf)
        if first < math.inf and not self._closed:
            self._alarm = threading.Timer(max(0.0, first - self._clock()) + _AFTER, self._look)
            self._alarm.daemon = True
            self._alarm.start()

    def _look(self) -> None:
        with self._lock:
            self._admit()

    def _start(self, key: Key, demand: Demand, gpus: Sequence[str]) -> None:
        changed = threading.Event()
        name = "/".join(key)
        thread = threading.Thread(target=self._run, args=(key, changed, gpus), daemon=True, name=name)
        # An earlier daemon may have given away others than there are now.
        counted = replace(demand, gpus=len(set(gpus) & set(self._capacity.gpus)))
        self._running[key] = _Running(thread, changed, counted, tuple(gpus))
        thread.start()

    def _release(self, key: Key) -> None:
        with self._lock:
            self._running[key] = replace(self._running[key], demand=Demand(0), gpus=())
            self._admit()

    def _run(self, key: Key, changed: threading.Event, gpus: Sequence[str]) -> None:
        try:
            self._drive(key, Turn(changed, gpus, partial(self._release, key)))
        except Exception:
            log.exception("%s %s: the job cannot be brought to its end", *key)
        finally:
            with self._lock:
                del self._running[key]
                self._admit()
                self._lock.notify_all()
