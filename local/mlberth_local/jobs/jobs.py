"""The jobs of a platform: submitted, stopped, interrupted, and found again after a restart."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial

from mlberth_local.engines.base import EngineError
from mlberth_local.engines.leftovers import Leftovers
from mlberth_local.engines.trees import remove_tree
from mlberth_local.jobs.capacity import instances
from mlberth_local.jobs.cluster import cluster_config
from mlberth_local.jobs.context import JobContext, JobRecord, begin_stopping
from mlberth_local.jobs.driver import JobDriver
from mlberth_local.jobs.processing import KIND as PROCESSING
from mlberth_local.jobs.processing import ProcessingDriver
from mlberth_local.jobs.scheduler import Key, Scheduler, Turn, Wish
from mlberth_local.jobs.training import KIND as TRAINING
from mlberth_local.jobs.training import TrainingDriver
from mlberth_local.jobs.transform import KIND as TRANSFORM
from mlberth_local.jobs.transform import TransformDriver
from mlberth_local.store.resources import NoSuchResourceError, Resource

DRIVERS: Mapping[str, type[JobDriver]] = {
    TRAINING: TrainingDriver,
    PROCESSING: ProcessingDriver,
    TRANSFORM: TransformDriver,
}

log = logging.getLogger(__name__)


class Jobs:
    """All jobs of one home."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self._scheduler = Scheduler(context.capacity, self._drive, context.clock, on_wait=self._note_waiting)
        self._leftovers = Leftovers(self.collect_garbage)

    def start(self) -> None:
        """Take up what an earlier daemon has left, and remove what nobody needs any more."""
        self.context.objects.clean_up()
        try:
            self.collect_garbage()
        except EngineError as error:  # each job waits for the engine by itself
            self._leftovers.note("earlier jobs", error)
        unfinished = [job for kind in DRIVERS for job in self.context.resources.unfinished(kind)]
        unfinished.sort(key=lambda job: (job.created, job.name))
        self._scheduler.recover((job, self._wish(job)) for job in unfinished)

    def submit(self, job: Resource) -> None:
        """Commit a new job, and let it run when there is room. Raises NameTakenError."""
        self.context.resources.create(job)
        wanted = instances(cluster_config(job.request))
        if notice := self.context.capacity.notice(wanted):
            log.warning("%s %s: %s", job.kind, job.name, notice)
        self._scheduler.submit((job.kind, job.name), self._wish(job))

    def _wish(self, job: Resource) -> Wish:
        """Return how much of the machine a job takes, and until when it waits for that."""
        demand = self.context.capacity.demand(instances(cluster_config(job.request)))
        return Wish(demand, DRIVERS[job.kind].queue_limit(job))

    def _note_waiting(self, key: Key) -> None:
        """Note in the record of a job that it waits; a disk that is full now takes what comes after it."""
        try:
            with JobRecord(self.context, *key).changing() as job:
                DRIVERS[job.kind].note_waiting(job, self.context.clock())
        except sqlite3.OperationalError:
            log.warning("%s %s waits", *key, exc_info=True)

    def change(self, kind: str, name: str, apply: Callable[[Resource], None]) -> None:
        """Commit what shall happen to a job: it happens at once. Nothing does if `apply` raises.

        Raises NoSuchResourceError.
        """
        with JobRecord(self.context, kind, name).changing() as job:
            apply(job)
            stops = job.status == "Stopping"
        self._scheduler.changed((kind, name), stops=stops)

    def stop_all(self, seconds: float) -> bool:
        """Stop every job, with `seconds` for their programs; returns whether all have ended in time."""
        self._leftovers.close()
        self._scheduler.close()
        for kind in DRIVERS:
            for job in self.context.resources.unfinished(kind):
                self.change(kind, job.name, partial(_end_soon, seconds=seconds, now=self.context.clock()))
        return self._scheduler.join(2 * seconds)

    def join(self, timeout: float | None = None) -> bool:
        """Return whether every job has ended, at the latest after `timeout` seconds."""
        return self._scheduler.join(timeout)

    def collect_garbage(self) -> list[str]:
        """Remove runs and folders of jobs that are finished or unknown; returns their names."""
        context = self.context
        folders = {entry.name for entry in context.runs.iterdir()} if context.runs.is_dir() else set()
        found = folders | context.engine.names() | context.helpers.names()
        gone = sorted(name for name in found if not self._is_needed(name))
        for name in gone:
            context.engine.remove(name, context.owner)
            context.helpers.remove(name)
            remove_tree(context.runs / name)
        return gone

    def _is_needed(self, run: str) -> bool:
        kind, _, rest = run.partition(".")
        if kind not in DRIVERS:  # an endpoint's, which sees to it by itself
            return True
        name, _, attempt = rest.rpartition(".")
        if self._scheduler.is_running((kind, name)):
            return True
        try:
            job = self.context.resources.get(kind, name)
        except NoSuchResourceError:
            return False
        return not job.finished and attempt == str(job.state["attempt"])

    def _drive(self, key: Key, turn: Turn) -> None:
        try:
            DRIVERS[key[0]](JobRecord(self.context, *key), turn).drive()
        except EngineError as error:
            self._leftovers.note("{} {}".format(*key), error)


def _end_soon(job: Resource, seconds: float, now: float) -> None:
    if not job.finished:
        begin_stopping(job, now)
        job.state["grace"] = seconds
