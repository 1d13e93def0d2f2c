"""One job from its code to its exit code: install, run, report. `train` and `process` share it."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import Signals
from typing import NamedTuple

from mlberth.dependencies import install
from mlberth.errors import ContractError, Fault, MlberthError, PlatformError
from mlberth.masking import secret_values
from mlberth.signals import SignalQueue
from mlberth.supervise import Outcome, supervise
from mlberth_train import report
from mlberth_train.journal import DEBUG, ERROR, INFO, Journal
from mlberth_train.place import Place

_SIGNAL_BASE = 128


class Job(NamedTuple):
    """What to run, and where."""

    code: Path
    argv: list[str]
    shown: list[str]
    """`argv` as it may be printed."""
    environ: Mapping[str, str]
    """The program's whole environment."""
    grace: float
    """Seconds from a stop signal to the kill."""
    place: Place
    inputs: list[str]
    """The names of its data."""


def run(
    prepare: Callable[[], Job],
    *,
    journal: Journal,
    environ: Mapping[str, str],
    signals: SignalQueue,
    python: str,
    failure: Path,
    success: Path | None = None,
) -> int:
    """Run the job that `prepare` returns, report to `failure` or `success`; return the exit code.

    The program's own exit code passes through; a job that cannot be run has the code of its error.
    """
    report.clear(journal, failure, *([success] if success else []))
    place, grace = Place(os.uname().nodename, Path(), frozenset(secret_values(environ))), 0.0
    problem: MlberthError | Outcome | Signals
    try:
        job = prepare()
        place, grace = job.place, job.grace
        if stopped := install(job.code, python=python, environ=environ, signals=signals):
            problem, code = stopped, _SIGNAL_BASE + stopped
        else:
            problem = _supervise(job, signals, journal)
            code = problem.exit_code
    except MlberthError as error:
        problem, code = error, error.exit_code
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is ours, and ends in a report too
        import traceback  # noqa: PLC0415 - never needed, we hope

        journal.write(DEBUG, "".join(traceback.format_exception(error)))
        found = f"{type(error).__name__}: {error}"
        problem = PlatformError(Fault("mlberth", found, "no such error", "Please report it."))
        code = problem.exit_code
    if code == 0:
        report.clear(journal, failure)
        if success:
            report.write(journal, success, "")
        journal.write(INFO, "The program succeeded")
    else:
        from mlberth_train.failure import failure_text  # noqa: PLC0415 - a job that succeeds need not wait for it

        text = failure_text(problem, place, grace)
        report.write(journal, failure, text)
        journal.write(ERROR, f"The job failed. {text.rstrip()}")
    return code


def _supervise(job: Job, signals: SignalQueue, journal: Journal) -> Outcome:
    def announce() -> None:
        # The program starts up meanwhile, on another CPU.
        command, inputs = job.place.mask(shlex.join(job.shown)), ", ".join(job.inputs) or "none"
        journal.write(INFO, f"Running {command} on {job.place.host}; inputs: {inputs}")

    try:
        return supervise(
            job.argv, env=job.environ, cwd=job.code, signals=signals, grace=job.grace, on_start=announce
        )
    except OSError as error:
        where = shlex.join(job.shown[:2])
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR):
            action = "Look at its #! line and whether that program is in the image."
            raise ContractError(Fault(where, reason, "a program that can be started", action)) from error
        if error.errno == errno.E2BIG:
            action = "Pass large values as files of a channel."
            raise ContractError(Fault("hyperparameters", reason, "what fits a command", action)) from error
        raise PlatformError(Fault(where, reason, "a process that can be started")) from error
    except (
        ValueError
    ) as error:  # a NUL, or half of a surrogate pair, which JSON can hold and a process cannot
        raise ContractError(
            Fault("hyperparameters", str(error), "text that a process can be given")
        ) from error
