"""One job from its code to its exit code: install, run, report. `train` and `process` share it."""

from __future__ import annotations

import errno
import logging
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from mlberth.dependencies import install
from mlberth.errors import ContractError, Fault, MlberthError, PlatformError
from mlberth.masking import secret_values
from mlberth.signals import SignalQueue
from mlberth.supervise import Outcome, supervise
from mlberth_train import report
from mlberth_train.place import Place

_SIGNAL_BASE = 128

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
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
    environ: Mapping[str, str],
    signals: SignalQueue,
    python: str,
    failure: Path,
    success: Path | None = None,
) -> int:
    """Run the job that `prepare` returns, report to `failure` or `success`; return the exit code.

    The program's own exit code passes through; a job that cannot be run has the code of its error.
    """
    report.clear(failure, *([success] if success else []))
    place, grace = Place(os.uname().nodename, Path(), frozenset(secret_values(environ))), 0.0
    problem: MlberthError | Outcome | Signals
    try:
        job = prepare()
        place, grace = job.place, job.grace
        if stopped := install(job.code, python=python, environ=environ, signals=signals):
            problem, code = stopped, _SIGNAL_BASE + stopped
        else:
            inputs = ", ".join(job.inputs) or "none"
            log.info("Running %s on %s; inputs: %s", place.mask(shlex.join(job.shown)), place.host, inputs)
            problem = _supervise(job, signals)
            code = problem.exit_code
    except MlberthError as error:
        problem, code = error, error.exit_code
    except Exception as error:  # what nobody foresaw is ours, and ends in a report too
        log.debug("The bug", exc_info=error)
        found = f"{type(error).__name__}: {error}"
        problem = PlatformError(Fault("mlberth", found, "no such error", "Please report it."))
        code = problem.exit_code
    if code == 0:
        report.clear(failure)
        if success:
            report.write(success, "")
        log.info("The program succeeded")
    else:
        from mlberth_train.failure import failure_text  # noqa: PLC0415 - a job that succeeds need not wait for it

        text = failure_text(problem, place, grace)
        report.write(failure, text)
        log.error("The job failed. %s", text.rstrip())
    return code


def _supervise(job: Job, signals: SignalQueue) -> Outcome:
    try:
        return supervise(job.argv, env=job.environ, cwd=job.code, signals=signals, grace=job.grace)
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
