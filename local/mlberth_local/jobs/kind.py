"""The phases of a job, as each kind of job fills them, and what is noted of them in its record."""

from __future__ import annotations

import math
from typing import Any

from mlberth_local.engines.base import HostState, Run
from mlberth_local.job_metrics.printed import PrintedMetrics
from mlberth_local.jobs.context import JobRecord
from mlberth_local.jobs.side_work import Work
from mlberth_local.store.resources import Resource

INPUT_FAILED = "InputFailed"
"""The ending of a job whose pipes cannot be fed to their end."""
MAX_WAIT = "MaxWaitTimeExceeded"
"""The ending of a job that has waited and run for longer than it may."""
MAX_PENDING = "MaxPendingTimeExceeded"
"""The ending of one that has waited for longer than it may; the service's statuses do not have it."""
MAX_RUNTIME = "MaxRuntimeExceeded"
"""The ending of one that has run for longer than it may."""


class JobKind:
    """The phases of one job. Whoever has them is a driver, which calls them in their order."""

    log_group: str
    """Of its streams, and the namespace of its metrics."""
    other_hosts_seconds = 30.0
    """What the other hosts have to end by themselves after one has failed: they report what that did."""

    def __init__(self, record: JobRecord) -> None:
        self.record = record
        self.context = record.context

    @staticmethod
    def note_waiting(job: Resource, now: float) -> None:
        """Note in the record that the job finds no room, and waits in the queue."""

    def begin(self, job: Resource) -> None:
        """Note in the record that the job leaves the queue."""
        raise NotImplementedError

    def prepare(self, job: Resource) -> None:
        """Make the trees, in an empty folder."""
        raise NotImplementedError

    def make_run(self, job: Resource) -> Run:
        """Return what runs on the hosts: from the record alone, the same each time."""
        raise NotImplementedError

    def note_running(self, job: Resource, now: float) -> None:
        """Note in the record that the programs are about to start."""
        raise NotImplementedError

    def side_work(self, job: Resource) -> Work:
        """Return what is done while the programs run."""
        raise NotImplementedError

    def printed_metrics(self, job: Resource) -> PrintedMetrics | None:  # noqa: ARG002 - for those that have any
        """Return what publishes the metrics that the programs print."""
        return None

    @staticmethod
    def instance_of(host: str) -> str:
        """Return the name of the instance that a host of the run is on."""
        return host

    def time_limit(self, job: Resource) -> tuple[float, str] | None:
        """Return until when the programs may run, and the ending if they do longer."""
        raise NotImplementedError

    @staticmethod
    def wait_limit(job: Resource) -> float:  # noqa: ARG004 - for those that make a difference
        """Return until when the job may wait and run, whatever it waits for; for ever, unless it says so."""
        return math.inf

    @classmethod
    def queue_limit(cls, job: Resource) -> float:
        """Return until when the job may stay in the queue."""
        return cls.wait_limit(job)

    def interruption_time(self, job: Resource) -> float:  # noqa: ARG002 - for those that make a difference
        """Return when the machine is taken away; never, unless it can be."""
        return math.inf

    def stop_programs(self, run: str, ending: str) -> None:  # noqa: ARG002 - for those that make a difference
        """Let the programs of a run stop; they are killed if they do not."""
        self.context.engine.stop(run)

    def has_failed(self, state: HostState) -> bool:
        """Return whether a host has ended as it should not have."""
        return not state.is_running and state.exit_code != 0

    def failure(self, run: Run, host: str, state: HostState) -> str:
        """Return why the job has failed, after `has_failed` of a host."""
        raise NotImplementedError

    def note_uploading(self, job: Resource, now: float) -> None:
        """Note in the record that the programs have ended."""
        raise NotImplementedError

    def note_interruption(self, job: Resource, now: float) -> None:
        """Note in the record that the machine has been taken away; another attempt follows."""

    def upload(self, job: Resource) -> None:
        """Store the results."""
        raise NotImplementedError

    def end(self, job: Resource, now: float) -> None:
        """Note in the record how the job has ended: `job.state` has `reason` and `ending`."""
        raise NotImplementedError


def status_at_the_end(state: dict[str, Any], status: str) -> str:
    """Return the last status of a job."""
    if state["reason"]:
        return "Failed"
    ending = state.get("ending", "")
    return "Stopped" if ending or status == "Stopping" else "Completed"
