"""One job from its code to its exit code: install, run, report. `train` and `process` share it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from signal import SIGINT, Signals

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.code.install import install
from mlberth.errors import ContractError, Fault, MlberthError, PlatformError
from mlberth.masking import secret_values
from mlberth.process.children import witness_for
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import Outcome, supervise
from mlberth_train.log import DEBUG, ERROR, INFO, WARNING, Log
from mlberth_train.metrics.job_metrics import JobMetrics
from mlberth_train.report import files
from mlberth_train.report.context import ReportContext
from mlberth_train.settings import Settings

# Few jobs have any.
if TYPE_CHECKING:
    from mlberth.process import witness as witnesses
    from mlberth_train.jobs import intermediate_output
    from mlberth_train.jobs import neighbours as shared
    from mlberth_train.launch import launched
    from mlberth_train.launch import presence as presences
    from mlberth_train.metrics import summary, tap
else:
    shared = OnDemand("mlberth_train.jobs.neighbours")
    launched = OnDemand("mlberth_train.launch.launched")
    presences = OnDemand("mlberth_train.launch.presence")
    intermediate_output = OnDemand("mlberth_train.jobs.intermediate_output")
    summary = OnDemand("mlberth_train.metrics.summary")
    tap = OnDemand("mlberth_train.metrics.tap")
    witnesses = OnDemand("mlberth.process.witness")

_STDERR = 2
_LAST_COPIES_SECONDS = 600.0  # a job that has ended well may bring its last files home
_LAST_SECONDS = 5.0
"""What a job that is stopped has for them: the platform kills it soon."""


class Job(NamedTuple):
    """What to run, and where."""

    code: Path
    package_needed: bool
    """Whether the program runs as a module of a package that has to be installed."""
    argv: list[str]
    shown: list[str]
    """`argv` as it may be printed."""
    environ: Mapping[str, str]
    """The program's whole environment."""
    settings: Settings
    context: ReportContext
    inputs: list[str]
    """The names of its data."""
    hosts: Sequence[str] = ()
    """The names that must have an address before it runs; none if there is one host."""
    hosts_source: str = ""
    """Where these names come from."""
    presence: presences.Presence | None = None
    """What tells the other hosts that this one is there, if no launcher does."""
    left_out: Sequence[str] = ()
    """Variables that are too large for a program."""
    copies: intermediate_output.Copies | None = None
    """What copies its intermediate output."""
    launch: launched.Launch | None = None
    """What starts its processes, if that is more than one program on this host."""
    metrics: JobMetrics | None = None
    """How its metrics are found and summarized."""


class Reports(NamedTuple):
    """Where the end of a job is reported."""

    failure: Path
    success: Path | None = None
    details: Path | None = None
    folders: tuple[Path, ...] = ()
    """Folders of the job that must have room."""
    result: Path | None = None
    """The folder in which a job that succeeds leaves something, most often."""


class Runner:
    """Runs one job and reports how it ended."""

    def __init__(
        self,
        log: Log,
        reports: Reports,
        environ: Mapping[str, str],
        signals: SignalQueue,
        python: str,
        *,
        neighbours: shared.Neighbours | None = None,
    ) -> None:
        self._log = log
        self._reports = reports
        self._environ = environ
        self._signals = signals
        self._python = python
        self._neighbours = neighbours
        self._job: Job | None = None
        self._oom_kills_before: int | None = None
        self._summary: summary.Summary | None = None

    def run(self, prepare: Callable[[], Job]) -> int:
        """Run the job that `prepare` returns; return the exit code.

        The program's own exit code passes through; a job that cannot be run has the code of its error.
        """
        problem: MlberthError | Outcome | Signals
        try:
            # A stop signal ends the row.
            problem = self._take_over() or self._run_job(prepare())
        except MlberthError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is ours, and ends in a report too
            import traceback

            self._log.write(DEBUG, "".join(traceback.format_exception(error)))
            found = f"{type(error).__name__}: {error}"
            problem = PlatformError(Fault("mlberth", found, "no such error", "Please report it."))
        # The report before the last copies: the platform reads it, even if it kills us while they are made.
        succeeded = isinstance(problem, Outcome) and problem.exit_code == 0
        code = self._succeed() if succeeded else self._fail(problem)
        if self._neighbours:
            if self._is_first:
                self._neighbours.report(ready=False)  # unless it was, and after the failure file
            self._neighbours.leave()
        if self._job and self._job.copies:
            stopped = _was_stopped(problem)
            self._job.copies.finish(_LAST_SECONDS if stopped else _LAST_COPIES_SECONDS, self._signals)
        if succeeded and self._job and self._job.presence:
            self._job.presence.wait(self._signals, self._log)
        return code

    @property
    def _is_first(self) -> bool:
        """Whether this is the `train` that prepares the tree, and reports on it."""
        return self._neighbours is None or self._neighbours.is_first

    def _take_over(self) -> Signals | None:
        """Make the tree this run's: whatever goes wrong, no report of an earlier run is taken for ours."""
        if self._neighbours and not self._is_first:
            self._log.write(INFO, "The first `train` on this host prepares the job; this one waits for it")
            return self._neighbours.wait(self._signals)
        files.clear(self._log, *(path for path in self._reports[:3] if path))
        if self._neighbours:
            self._neighbours.begin()
        return None

    def _run_job(self, job: Job) -> MlberthError | Outcome | Signals:
        self._job = job
        if self._is_first and (stop := self._install(job)):
            return stop
        if self._neighbours and self._is_first:
            self._neighbours.report(ready=True)
        # Hosts after the install: they start while it runs.
        return self._wait_for_hosts(job) or self._run_program(job)

    def _install(self, job: Job) -> Signals | None:
        if job.settings.log_format == "json":
            from mlberth.process.record_pipe import RecordPipe

            with RecordPipe(lambda level, text: self._log.write(level, text, "pip")) as sink:
                return self._install_to(job, sink)
        return self._install_to(job, _STDERR)

    def _install_to(self, job: Job, sink: int) -> Signals | None:
        return install(
            job.code,
            job.settings.installs,
            python=self._python,
            environ=self._environ,
            signals=self._signals,
            package_needed=job.package_needed,
            warn=lambda text: self._log.write(WARNING, text),
            sink=sink,
        )

    def _wait_for_hosts(self, job: Job) -> Signals | None:
        if not job.hosts or not job.settings.host_wait:
            return None
        from mlberth_train.launch.host_discovery import wait_for_names

        return wait_for_names(
            job.hosts,
            job.settings.host_wait,
            signals=self._signals,
            log=self._log,
            source=job.hosts_source,
        )

    def _succeed(self) -> int:
        if self._neighbours is None:
            # A program may write the file itself, and still end well.
            files.clear(self._log, self._reports.failure)
        if self._reports.success and self._is_first and not self._reports.failure.exists():
            files.write(self._log, self._reports.success, "")
        objective = self._summary.text if self._summary else ""
        self._log.write(INFO, f"The program succeeded; {objective}" if objective else "The program succeeded")
        # Of several hosts the first saves the model.
        is_first = self._is_first and (self._job is None or not self._job.context.rank)
        result = self._reports.result
        if result and is_first and not any(kept for *_, kept in os.walk(result)):
            text = f"It left nothing in {result}: a model that it has saved elsewhere is lost"
            self._log.write(WARNING, text)
        return 0

    def _fail(self, problem: MlberthError | Outcome | Signals) -> int:
        # A job that succeeds need not wait for these.
        from mlberth_train.report.cause import failure_text, find_cause
        from mlberth_train.report.details import failure_details
        from mlberth_train.report.exhaustion import Exhaustion

        job, reports = self._job, self._reports
        # Before the job is known, this machine and the secrets of the environment are.
        context = (
            job.context
            if job
            else ReportContext(os.uname().nodename, Path(), frozenset(secret_values(self._environ)))
        )
        cause = find_cause(problem, context, job.settings.grace if job else 0)
        exhaustion = Exhaustion.since(self._oom_kills_before, reports.folders)
        text = failure_text(cause, context, exhaustion.hints)
        with self._neighbours.one_by_one() if self._neighbours else nullcontext():
            if self._neighbours and reports.success:
                files.clear(self._log, reports.success)
            files.write(self._log, reports.failure, text)
        if reports.details and (self._is_first or not reports.details.exists()):
            shown = job.shown if job else []
            metrics = self._summary.details() if self._summary else {"objective": None, "metrics": {}}
            details = failure_details(cause, problem, context, exhaustion, shown, metrics=metrics)
            files.write(self._log, reports.details, details)
        self._log.write(ERROR, f"The job failed. {text.rstrip()}")
        return cause.exit_code

    def _announce(self, job: Job) -> None:
        """Say what runs. The program starts up meanwhile, on another CPU."""
        import shlex  # the program is not kept waiting for it

        from mlberth.process.exhaustion import oom_kills

        self._oom_kills_before = oom_kills()  # the kernel counts for the container, not for this job
        command, inputs = job.context.mask(shlex.join(job.shown)), ", ".join(job.inputs) or "none"
        launcher = f" with {job.launch}" if job.launch else ""
        self._log.write(INFO, f"Running {command} on {job.context.host}{launcher}; inputs: {inputs}")
        if job.left_out:
            text = f"Left out of its environment, as too large for Linux: {', '.join(job.left_out)}"
            where = "input/config/hyperparameters.json, or mlberth.environment(), has the values"
            self._log.write(WARNING, f"{text}; {where}")
        # Threads: the program has been forked already.
        if job.copies:
            job.copies.start()
        if job.presence:
            job.presence.start()

    def _announce_stop(self, number: Signals, grace: float) -> None:
        text = f"{number.name} is passed on to the program, which is killed if it still runs in {grace:g} s"
        self._log.write(INFO, f"{text}, or at a second Ctrl-C" if number == SIGINT else text)

    def _run_program(self, job: Job) -> Outcome | MlberthError | Signals:
        """Run the program while its metrics are looked for."""
        reader = job.metrics.start(self._log) if job.metrics else None
        problem: Outcome | MlberthError | Signals | None = None
        try:
            with witness_for(self._environ) as witness:
                problem = self._supervise(job, reader, witness)
            return problem
        finally:
            if job.metrics:
                self._summary = job.metrics.end(reader, self._log, stopped=_was_stopped(problem))

    def _supervise(
        self, job: Job, reader: tap.Tap | None, witness: witnesses.Witness | None
    ) -> Outcome | MlberthError | Signals:
        feed, spared = (reader.feed, frozenset({reader.pid})) if reader else (None, frozenset[int]())
        collapse = job.settings.collapse and not os.isatty(_STDERR)
        if job.launch:
            ended = launched.run_launched(
                job.launch,
                job.argv,
                code=job.code,
                environ=job.environ,
                settings=job.settings,
                collapse=collapse,
                metrics=job.metrics,
                signals=self._signals,
                on_start=lambda: self._announce(job),
                on_stop=lambda number: self._announce_stop(number, job.settings.grace),
                tap=feed,
                spared=spared,
                witness=witness,
            )
            self._job = job._replace(context=job.context.at(*ended.place))
            return ended.problem
        try:
            outcome = supervise(
                job.argv,
                env=job.environ,
                cwd=job.code,
                signals=self._signals,
                grace=job.settings.grace,
                collapse=collapse,
                on_start=lambda: self._announce(job),
                on_stop=lambda number: self._announce_stop(number, job.settings.grace),
                tap=feed,
                spared=spared,
                witness=witness,
            )
            if outcome.lost:
                self._log.write(WARNING, f"{outcome.lost} bytes of standard error could not be written")
            return outcome
        except OSError as error:
            raise _not_started(error, " ".join(job.shown[:2])) from error
        except ValueError as error:
            found = f"a command or a variable that no process can be given ({error})"
            raise ContractError(Fault("the program", found, "text without NUL characters")) from error


def _was_stopped(problem: object) -> bool:
    """Return whether a signal has stopped the job, before its program ran or while it did."""
    return isinstance(problem, Signals) or (isinstance(problem, Outcome) and problem.stopped_by is not None)


def _not_started(error: OSError, where: str) -> MlberthError:
    """Return whose fault it is that a program cannot be started."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR):
        action = "Look at its #! line and whether that program is in the image."
        return ContractError(Fault(where, reason, "a program that can be started", action))
    if error.errno == errno.E2BIG:
        action = "Pass large values as files of a channel."
        return ContractError(Fault("hyperparameters", reason, "what fits a command", action))
    if error.errno == errno.EAGAIN:
        action = "Raise the limit of processes (docker run --pids-limit, ulimit -u)."
        return PlatformError(Fault(where, reason, "room for one more process", action))
    return PlatformError(Fault(where, reason, "a process that can be started"))
