"""The recommendation jobs of a home: one runs at a time, since each needs the machine for itself."""

from __future__ import annotations

import logging
import threading
import time

from mlberth_local.engines.trees import remove_tree
from mlberth_local.recommendations.context import RecommendationContext
from mlberth_local.recommendations.job_run import JobRun
from mlberth_local.recommendations.record import (
    KIND,
    PENDING,
    STOPPED,
    STOPPING,
    Benchmark,
    RecommendationRecord,
)
from mlberth_local.store.resources import Resource

_AGAIN_SECONDS = 2.0
log = logging.getLogger(__name__)


class Recommender:
    """Runs the jobs, oldest first, in a thread of its own."""

    def __init__(self, context: RecommendationContext) -> None:
        self._context = context
        self._parts = context.endpoints.context.parts
        self._resources = self._parts.resources
        self._changed = threading.Condition()
        self._running = ""
        self._stop = threading.Event()
        """Ends the job that runs."""
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True, name="recommendations")

    def start(self) -> None:
        """Go on with what an earlier daemon has left, and with what comes."""
        runs = self._parts.runs
        for folder in runs.glob(f"{KIND}.*") if runs.is_dir() else ():
            remove_tree(folder)
        self._thread.start()

    def submit(self, job: Resource) -> None:
        """Commit a new job; it runs when those before it have ended. Raises NameTakenError."""
        self._resources.create(job)
        with self._changed:
            self._changed.notify_all()

    def stop(self, name: str) -> None:
        """Let a job stop: its load ends at once, and its instance soon; one that waits has ended.

        A job that has ended stays as it is. Raises NoSuchResourceError.
        """
        with self._record(name).changing() as (job, benchmarks):
            if job.status == PENDING:
                self._end(job, benchmarks)
            elif not job.finished:
                job.status = STOPPING
        with self._changed:
            if name == self._running:
                self._stop.set()
            self._changed.notify_all()

    def _end(self, job: Resource, benchmarks: list[Benchmark]) -> None:
        job.status, job.finished = STOPPED, True
        job.state["ended"] = self._parts.clock()
        for one in benchmarks:
            one.status = STOPPED

    def stop_all(self, seconds: float) -> bool:
        """Stop every job; returns whether all have ended in time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for job in self._resources.unfinished(KIND):
            self.stop(job.name)
        have_ended = self.join(seconds)
        if self._thread.ident is not None:
            self._thread.join(seconds if have_ended else 0)
        return have_ended

    def join(self, timeout: float | None = None) -> bool:
        """Return whether no job is left, at the latest after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._resources.unfinished(KIND), timeout)

    def _record(self, name: str) -> RecommendationRecord:
        return RecommendationRecord(self._resources, name, self._parts.clock)

    def _work(self) -> None:
        while True:
            try:
                if not (name := self._next()):
                    return
                JobRun(self._context, self._record(name), self._stop).drive()
            except Exception:  # a full disk for example: it is tried again until there is room
                log.exception("%s %s: it cannot be brought to its end", KIND, self._running)
                time.sleep(_AGAIN_SECONDS)
            with self._changed:
                self._running = ""
                self._changed.notify_all()

    def _next(self) -> str:
        """Return the name of the oldest job that has not ended, when there is one; empty at the end."""
        with self._changed:
            while True:
                jobs = self._resources.unfinished(KIND)
                if jobs:
                    self._running = jobs[0].name
                    self._stop.clear()
                    if jobs[0].status == STOPPING:
                        self._stop.set()
                    return jobs[0].name
                if self._closing:
                    return ""
                self._changed.wait()
