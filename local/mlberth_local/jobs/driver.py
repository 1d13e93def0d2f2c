"""The way of one job, in phases: each is committed before it begins and can be done again from its beginning.

waiting ──► preparing ──► running ──► uploading ──► finished
                ▲            └─► restarting (interrupted)
                └────────────────────┘
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time

from mlberth_local.engines.base import EngineError, HostState, ImageMissingError, Run
from mlberth_local.engines.trees import remove_tree
from mlberth_local.errors import ServiceError
from mlberth_local.job_failure import LONGEST_REASON, JobFailure
from mlberth_local.job_metrics.monitor import Monitor
from mlberth_local.job_metrics.utilization import Utilization
from mlberth_local.jobs.capacity import instances
from mlberth_local.jobs.cluster import cluster_config, members, spread
from mlberth_local.jobs.context import JobRecord, begin_stopping
from mlberth_local.jobs.kind import MAX_PENDING, MAX_RUNTIME, MAX_WAIT, JobKind
from mlberth_local.jobs.scheduler import Turn
from mlberth_local.store.database import is_full
from mlberth_local.store.resources import Resource

_FIRST_LOOK, _LONGEST_LOOK, _LONGER = 0.01, 0.2, 1.5
"""Seconds between two looks at the hosts, and how they grow; the engine says besides when a host ends."""
_FULL_SECONDS = 2.0
"""Between two tries to write on a full disk."""
_ENGINE_SECONDS = 60.0
"""An engine that does not answer for so long will not; until then it is being started again."""
_OURS = "InternalServerError: "
"""Begins the reason if the platform is at fault."""
_SIGNALLED = 128
"""Exit codes above are of programs that a signal has ended, or whose end the engine has not seen."""
_STOPPING = {"Stopped", MAX_RUNTIME, MAX_WAIT}
"""The endings for which the programs have to stop although nothing else has happened to them."""

log = logging.getLogger(__name__)


class JobDriver(JobKind):
    """Brings one job to its end."""

    def __init__(self, record: JobRecord, turn: Turn) -> None:
        super().__init__(record)
        self._turn = turn
        self._changed = turn.changed
        self._away: list[tuple[float, float]] = []
        """From when until when the engine did not answer."""

    def drive(self) -> None:
        """Bring the job from where it is to its end; nothing of it is left on the engine and in folders.

        Raises EngineError if the job has ended, and the engine does not answer.
        """
        phases = {
            "waiting": self._leave_queue,
            "preparing": self._prepare,
            "running": self._run,
            "restarting": self._restart,
            "uploading": self._upload,
        }
        while not (job := self.record.read()).finished:
            try:
                phases[job.state["phase"]](job)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job has to come to its end
                self._fail(error)
        self.clean_up()

    def _fail(self, error: Exception) -> None:
        """Finish the job after what a phase has raised; faults that are not its user's are logged."""
        reason = _reason_of(error)
        if reason.startswith(_OURS):
            log.warning("%s %s", self.record.kind, self.record.name, exc_info=error)
        if is_full(error):
            with contextlib.suppress(EngineError):  # once more after the end
                self.clean_up()  # first: the record of the end needs room as well
        self._finish(reason)

    def clean_up(self) -> None:
        """Remove what the engine has of the present attempt, and its folder."""
        name = self.record.run_name
        self.context.engine.remove(name, self.context.owner)
        self.context.helpers.remove(name)
        remove_tree(self.record.folder)

    def gpus(self, job: Resource, host: str) -> tuple[str, ...] | None:
        """Return the GPUs of a host; None if the machine had none when the job left the queue."""
        found = job.state.get("gpus")
        return None if found is None else tuple(found.get(host, ()))

    def _leave_queue(self, job: Resource) -> None:
        if self._ends_early(job):
            return
        if self.context.clock() > self.queue_limit(job):
            self._end_early(MAX_PENDING)
            return
        capacity, config = self.context.capacity, cluster_config(job.request)
        if problem := capacity.refusal(instances(config)):
            self._finish(f"ClientError: {problem}")
            return
        with self.record.changing() as changing:
            if self._is_stopping(changing):
                return  # and it ends early
            self.begin(changing)
            changing.state["phase"] = "preparing"
            if capacity.gpus:
                changing.state["gpus"] = spread(self._turn.gpus, members(config), capacity.gpu_count)

    def _prepare(self, job: Resource) -> None:
        if self._ends_early(job):
            return
        remove_tree(self.record.folder)
        for image in self.make_run(job).images:
            self.context.engine.check_image(image)
        self.prepare(job)
        if self._ends_early(self.record.read()):
            return
        now = self.context.clock()
        with self.record.changing() as changing:
            if self._is_stopping(changing):
                return  # and it ends early
            self.note_running(changing, now)
            changing.state |= {"phase": "running", "began": now}

    def _ends_early(self, job: Resource) -> bool:
        """Finish a job that has no program yet and needs none any more; returns whether it is such a one."""
        is_late = self.context.clock() > self.wait_limit(job)
        if not is_late and not self._is_stopping(job):
            return False
        self._end_early(MAX_WAIT if is_late else "Stopped")
        return True

    def _end_early(self, ending: str) -> None:
        with self.record.changing() as changing:
            begin_stopping(changing, self.context.clock())
            changing.state["ending"] = ending
        self._finish("")

    def _is_stopping(self, job: Resource) -> bool:
        return job.status == "Stopping"

    def stopped(self) -> bool:
        """Return whether somebody wants the job to stop: long preparations ask now and then."""
        return self._changed.is_set() and self._is_stopping(self.record.read())

    def _run(self, job: Resource) -> None:
        run = self.make_run(job)
        if not job.state.get("started"):
            self.context.engine.start(run)
            self.record.update(started=True)
        self.context.engine.watch(run, self._changed.set)
        work, monitor = self.side_work(job), self._monitor(job, run)
        work.start()
        monitor.start()
        try:
            states = self._wait(run)
        finally:
            monitor.stop()
            work.stop()
        self.context.engine.flush(run.name)
        work.finish()
        self._note_end(run, states)

    def _monitor(self, job: Resource, run: Run) -> Monitor:
        """Return what publishes the job's metrics meanwhile."""
        context = self.context
        utilization = Utilization(
            run,
            context.engine,
            namespace=self.log_group,
            job=job.name,
            instance_of=self.instance_of,
            memory=context.capacity.memory,
            folder=context.runs,
        )
        return Monitor(
            self.printed_metrics(job),
            utilization,
            context.metrics,
            clock=context.clock,
            measure_seconds=context.measure_seconds,
        )

    def _wait(self, run: Run) -> dict[str, HostState]:
        """Return how the hosts have ended; those that have to stop are stopped."""
        names = tuple(host.name for host in run.hosts)
        pause, silent_since, job = _FIRST_LOOK, None, self.record.read()
        looked = self.context.clock()
        while True:
            try:
                states = self.context.engine.states(run.name, names)
                now = self.context.clock()
                if silent_since is not None:
                    self._away.append((looked, now))
                looked, silent_since = now, None
                if all(not state.is_running for state in states.values()):
                    return states
                self.context.engine.watch(run, self._changed.set)
                job = self._bound(job, run, states)
            except EngineError:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > _ENGINE_SECONDS:
                    raise
            if self._changed.wait(pause):
                self._changed.clear()
                job = self.record.read()
            pause = min(pause * _LONGER, _LONGEST_LOOK)

    def _bound(self, job: Resource, run: Run, states: dict[str, HostState]) -> Resource:
        """Let the programs stop if there is a reason to, and kill them if they do not; returns the job."""
        now = self.context.clock()
        if "term_at" in job.state:
            if now > job.state["term_at"] + job.state.get("grace", self.context.stop_seconds):
                self.context.engine.kill(run.name)
            return job
        ending = self._reason_to_stop(job, states, now)
        if not ending:
            return job
        # Committed first: a daemon that is killed in between sends the signal again.
        with self.record.changing() as changing:
            changing.state |= {"ending": changing.state.get("ending", ending), "term_at": now}
            if ending in _STOPPING:
                begin_stopping(changing, now)
        self.stop_programs(run.name, ending)
        return self.record.read()

    def _reason_to_stop(self, job: Resource, states: dict[str, HostState], now: float) -> str:
        if self._is_stopping(job):
            return "Stopped"
        if job.state.get("interrupt") or now > self.interruption_time(job):
            return "Interrupted"
        failed = [state.ended for state in states.values() if state.ended and self.has_failed(state)]
        if failed and now > min(failed) + self.other_hosts_seconds:
            return "HostFailed"
        limit = self.time_limit(job)
        return limit[1] if limit and now > limit[0] else ""

    def _note_end(self, run: Run, states: dict[str, HostState]) -> None:
        now = self.context.clock()
        job = self.record.read()
        ending = job.state.get("ending", "")
        reason = "" if ending not in ("", "HostFailed") else self._first_failure(run, states)
        with self.record.changing() as changing:
            seconds = changing.state.get("run_seconds", 0.0) + now - changing.state["began"]
            changing.state |= {"run_seconds": seconds, "reason": reason, "program_ended": now}
            # Nobody wants another attempt of a job that was stopped meanwhile.
            restarts = ending == "Interrupted" and not self._is_stopping(changing)
            if restarts:
                self.note_interruption(changing, now)
            else:
                self.note_uploading(changing, now)
            changing.state["phase"] = "restarting" if restarts else "uploading"
        if not restarts:
            self._turn.release()

    def _first_failure(self, run: Run, states: dict[str, HostState]) -> str:
        failed = {name: state for name, state in states.items() if self.has_failed(state)}
        if not failed:
            return ""
        host, state = min(failed.items(), key=lambda pair: pair[1].ended or 0)
        if state.exit_code is None:
            return f"{_OURS}{host}: {state.problem or 'its program was lost'}"
        if state.exit_code > _SIGNALLED and self._has_lost_engine(state.ended or 0):
            text = "the container engine was stopped or restarted, which ended its program"
            return f"{_OURS}{host}: {text} (exit code {state.exit_code})"
        return self.failure(run, host, state)

    def _has_lost_engine(self, ended: float) -> bool:
        """Return whether the engine was away when a host ended, or is going away now."""
        return (
            any(since <= ended <= until for since, until in self._away) or not self.context.engine.answers()
        )

    def _restart(self, job: Resource) -> None:
        self.clean_up()
        attempt = job.state["attempt"] + 1
        with self.record.changing() as changing:
            for name in ("ending", "term_at", "interrupt", "started"):
                changing.state.pop(name, None)
            changing.state |= {"attempt": attempt, "phase": "preparing"}
            if not self._is_stopping(changing):
                self.begin(changing)

    def _upload(self, job: Resource) -> None:
        self.upload(job)
        self._finish(job.state["reason"])

    def _finish(self, reason: str) -> None:
        """Commit the end, as soon as there is room on the disk for it."""
        while True:
            try:
                self._commit_end(reason)
                return
            except (OSError, sqlite3.OperationalError) as error:
                if not is_full(error):
                    raise
                log.warning("%s: its end cannot be written: the disk is full", self.record.name)
            self._changed.wait(_FULL_SECONDS)
            self._changed.clear()

    def _commit_end(self, reason: str) -> None:
        now = self.context.clock()
        with self.record.changing() as changing:
            changing.state["reason"] = reason[:LONGEST_REASON]
            changing.state["ended"] = now
            changing.finished = True
            try:
                self.end(changing, now)
            except Exception as error:
                # What the phases have left may be incomplete; a job without an end would be worse.
                log.exception("%s %s: its end", self.record.kind, self.record.name)
                changing.status = "Failed"
                changing.state["reason"] = (reason or _reason_of(error))[:LONGEST_REASON]


def _reason_of(error: Exception) -> str:
    """Return the FailureReason for what a phase has raised: whose fault it is, and what happened."""
    if isinstance(error, JobFailure):
        return str(error)
    if isinstance(error, ImageMissingError):
        return f"ClientError: {error}"
    if isinstance(error, ServiceError):
        return f"ClientError: {error.message}"
    if is_full(error):
        return f"{_OURS}no space is left on the disk of the platform's home"
    if isinstance(error, (EngineError, OSError, sqlite3.OperationalError)):
        return f"{_OURS}{error}"
    return f"{_OURS}{type(error).__name__}: {error}; the platform's log has the details"
