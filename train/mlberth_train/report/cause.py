"""The cause of a failure, as the platform shows it: at most 1024 bytes that stand on their own."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from mlberth._typing import NamedTuple
from mlberth.errors import MlberthError
from mlberth.process.supervise import Outcome
from mlberth_train.report.context import ReportContext
from mlberth_train.report.traceback import Frame, crash_frames, last_frame, last_traceback, lines_of

LARGEST = 1024
_SHOWN_LINES = 8
_MESSAGE_LINES = 40
_LARGEST_FRAME = 240
_SIGNAL_BASE = 128


class Cause(NamedTuple):
    """Why a job failed."""

    kind: str
    """`program`, `stop`, or the class of an error of ours."""
    headline: str
    exit_code: int
    signal: str | None = None
    """The signal that killed the program, or a process of it."""
    frames: tuple[Frame, ...] = ()
    """Where the program was, from the outermost to the innermost."""
    after: str = ""
    """The stop signal that came before the end."""


def find_cause(
    problem: MlberthError | Outcome | signal.Signals, context: ReportContext, grace: float
) -> Cause:
    """Return why the job failed: an error of the job itself, a stop before its program, or its program's end.

    `grace` is what the program had after a stop, in seconds.
    """
    if isinstance(problem, Outcome):
        return _cause_of_end(problem, context, grace)
    if isinstance(problem, MlberthError):
        kind = type(problem).__name__
        return Cause(kind, f"{kind}: {problem}", problem.exit_code)
    headline = f"Stopped by {problem.name} before the program began"
    return Cause("stop", headline, _SIGNAL_BASE + problem, after=problem.name)


def failure_text(cause: Cause, context: ReportContext, hints: Iterable[str] = ()) -> str:
    """Say why the job failed: headline, the last line of the user's code, hints, exit code and host."""
    after = f" after {cause.after}" if cause.after else ""
    ending = f"Exit code {cause.exit_code}{after} on {context.host}."
    return _compose(cause.headline, [*_frame_lines(cause.frames, context.code), *hints, ending], context)


def _cause_of_end(outcome: Outcome, context: ReportContext, grace: float) -> Cause:
    """Say how the program failed: its exception, or its last words."""
    lines = lines_of(context.mask_output(outcome).encode(errors="replace"))
    after = outcome.stopped_by.name if outcome.stopped_by else ""
    code = outcome.exit_code
    if outcome.overran and outcome.stopped_by:
        still = f"still running {grace:g} s after {after} (SAGEMAKER_STOP_GRACE_SECONDS)"
        headline = f"Killed: {'a second Ctrl-C' if outcome.insisted else still}"
        return Cause("stop", headline, code, "SIGKILL", after=after)
    if outcome.stopped_by and code == _SIGNAL_BASE + outcome.stopped_by:
        return Cause("stop", f"Stopped by {after}", code, after, after=after)
    if outcome.returncode < 0:
        name, headline = _killed("The program was", -outcome.returncode)
        return Cause("program", headline, code, name, crash_frames(lines), after)
    traceback = last_traceback(lines)
    # An exception that nobody catches gives 1. With another code an old, handled one is not the cause.
    if traceback and (outcome.returncode == 1 or traceback.exception.count("\n") < _MESSAGE_LINES):
        return Cause("program", traceback.exception, code, None, traceback.frames, after)
    number = outcome.returncode - _SIGNAL_BASE
    if number in set(signal.Signals):  # how a shell reports it
        name, headline = _killed("A process of the program was", number)
        return Cause("program", headline, code, name, crash_frames(lines), after)
    last = [line.rstrip() for line in lines if line.strip()][-_SHOWN_LINES:]
    if any(line.lower().startswith("usage:") for line in last) and "error" in last[-1].lower():
        last = [last[-1], *last[:-1]]  # what is wrong with the arguments, before those that there are
    headline = "\n".join(last) or "The program failed and wrote nothing to standard error"
    return Cause("program", headline, code, after=after)


def _killed(who: str, number: int) -> tuple[str, str]:
    """Return a signal's name, and what it did in words."""
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    words = ", possibly out of memory" if number == signal.SIGKILL else f" ({signal.strsignal(number)})"
    return name, f"{who} killed by {name}{words}"


def _frame_lines(frames: tuple[Frame, ...], code: Path) -> list[str]:
    frame = last_frame(frames, code)
    if frame is None:
        return []
    where = f"  at {frame.file.removeprefix(f'{code}/')}:{frame.line}"
    function = f" in {frame.function}" if frame.function else ""
    return [_shortened(f"{where}{function}: {frame.source}".removesuffix(": "), _LARGEST_FRAME)]


def _compose(headline: str, rest: Iterable[str], context: ReportContext) -> str:
    """Return headline and rest in at most LARGEST bytes; what does not fit is taken from the headline."""
    tail = "".join(f"\n{clean(context.mask(line))}" for line in rest)
    room = LARGEST - len(tail.encode()) - 1
    return _shortened(clean(context.mask(headline)), room) + tail + "\n"


def clean(text: str) -> str:
    """Return a text without what could break a log or a page: control characters, lone surrogates."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _shortened(text: str, room: int) -> str:
    """Return a text in at most `room` bytes of UTF-8; what is too long loses its middle."""
    data = text.encode()
    if len(data) <= room:
        return text
    end = room // 4
    begin = data[: room - end - len(" … ".encode())].decode(errors="ignore")
    return begin + " … " + data[-end:].decode(errors="ignore")
