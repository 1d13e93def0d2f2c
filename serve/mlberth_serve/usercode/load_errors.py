"""Errors in the user's code while it was loaded, and where they are."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.usercode.locate import Program
from mlberth_serve.usercode.pickle_errors import explain_attribute

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadCause:
    """Where the user's code failed; paths are relative to the code folder."""

    phase: str
    """"import", or "call" for a function that was being called."""
    function: str
    """The contract's function, "" during the import."""
    file: str
    line: int
    exception: str
    """Type and message."""
    traceback: str
    """The frames of the user's code and below, as Python prints them."""
    advice: str = ""
    """What to do, if that is known."""


class UserCodeError(ModelLoadError):
    """The user's code raised while it was being loaded."""

    def __init__(self, cause: LoadCause) -> None:
        happened = f"{cause.function or 'its import'} raised {cause.exception}"
        super().__init__(Fault(f"{cause.file}, line {cause.line}", happened, "", cause.advice))
        self.cause = cause


@contextmanager
def failures_logged() -> Iterator[None]:
    """Log the frames of the user's code if it fails to load; the one line that tells of it has none."""
    try:
        yield
    except UserCodeError as error:
        log.error("the user's code failed\n%s", error.cause.traceback.rstrip())  # noqa: TRY400 - the frames of the user's code alone
        raise


def find_cause(error: BaseException, program: Program, phase: str, function: str = "") -> LoadCause:
    """Say where in the user's code an exception was raised: its last frame there."""
    own = [trace for trace in _traces(error.__traceback__) if program.owns(trace.tb_frame.f_code.co_filename)]
    file, line = program.path, 1
    if own:
        file, line = Path(own[-1].tb_frame.f_code.co_filename), own[-1].tb_lineno
    if isinstance(error, SyntaxError) and error.filename:
        file, line = Path(error.filename), error.lineno or 1
    shown = str(file.relative_to(program.folder)) if file.is_relative_to(program.folder) else file.name
    text = "".join(traceback.format_exception(type(error), error, own[0] if own else None))
    message = traceback.format_exception_only(error)[-1].strip()
    explained = explain_attribute(error)
    advice = f"The pickle holds {explained.found}. {explained.action}" if explained else ""
    return LoadCause(phase, function, shown, line, message, text, advice)


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace:
        yield trace
        trace = trace.tb_next
