"""Why a job failed, in the words that the platform shows: at most 1024 bytes that stand on their own."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from mlberth.errors import MlberthError
from mlberth.supervise import Outcome
from mlberth_train.place import Place
from mlberth_train.traceback_tail import Frame, crash_frames, last_frame, last_traceback, lines_of

LARGEST = 1024
_SHOWN_LINES = 8
_MESSAGE_LINES = 40
_LARGEST_FRAME = 240
_SIGNAL_BASE = 128
_OUT_OF_MEMORY = ", possibly out of memory"


def failure_text(problem: MlberthError | Outcome | signal.Signals, place: Place, grace: float) -> str:
    """Say why the job failed: an error of the job itself, a stop before its program, or its program's end.

    `grace` is what the program had after a stop, in seconds.
    """
    if isinstance(problem, Outcome):
        return _outcome_text(problem, place, grace)
    if isinstance(problem, MlberthError):
        ending = f"Exit code {problem.exit_code} on {place.host}."
        return _compose(f"{type(problem).__name__}: {problem}", [ending], place)
    return _compose(f"Stopped by {problem.name} before the program began", [f"On {place.host}."], place)


def _outcome_text(outcome: Outcome, place: Place, grace: float) -> str:
    """Say how the program failed: its exception and the last line of the user's code, or its last words."""
    lines = lines_of(place.mask(outcome.stderr.decode(errors="replace")).encode(errors="replace"))
    stopped = f" after {outcome.stopped_by.name}" if outcome.stopped_by else ""
    ending = f"Exit code {outcome.exit_code}{stopped} on {place.host}."
    headline, frame = _cause(outcome, grace, lines, place.code)
    return _compose(headline, [*_frame_lines(frame, place.code), ending], place)


def _cause(outcome: Outcome, grace: float, lines: list[str], code: Path) -> tuple[str, Frame | None]:
    if outcome.overran and outcome.stopped_by:
        name = outcome.stopped_by.name
        return f"Killed: still running {grace:g} s after {name} (SAGEMAKER_STOP_GRACE_SECONDS)", None
    if outcome.stopped_by and outcome.exit_code == _SIGNAL_BASE + outcome.stopped_by:
        return f"Stopped by {outcome.stopped_by.name}", None
    if outcome.returncode < 0:
        return _killed("The program was", -outcome.returncode, last_frame(crash_frames(lines), code))
    traceback = last_traceback(lines)
    # An exception that nobody catches gives 1. With another code an old, handled one is not the cause.
    if traceback and (outcome.returncode == 1 or traceback.exception.count("\n") < _MESSAGE_LINES):
        return traceback.exception, last_frame(traceback.frames, code)
    number = outcome.returncode - _SIGNAL_BASE
    if number in set(signal.Signals):  # how a shell reports it
        return _killed("A process of the program was", number, last_frame(crash_frames(lines), code))
    last = [line.rstrip() for line in lines if line.strip()][-_SHOWN_LINES:]
    return "\n".join(last) or "The program failed and wrote nothing to standard error", None


def _killed(who: str, number: int, frame: Frame | None) -> tuple[str, Frame | None]:
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    words = f" ({signal.strsignal(number)})" if number != signal.SIGKILL else _OUT_OF_MEMORY
    return f"{who} killed by {name}{words}", frame


def _frame_lines(frame: Frame | None, code: Path) -> list[str]:
    if frame is None:
        return []
    where = f"  at {frame.file.removeprefix(f'{code}/')}:{frame.line}"
    function = f" in {frame.function}" if frame.function else ""
    return [_shortened(f"{where}{function}: {frame.source}".removesuffix(": "), _LARGEST_FRAME)]


def _compose(headline: str, rest: Iterable[str], place: Place) -> str:
    """Return headline and rest in at most LARGEST bytes; what does not fit is taken from the headline."""
    tail = "".join(f"\n{place.mask(_clean(line))}" for line in rest)
    room = LARGEST - len(tail.encode()) - 1
    return _shortened(place.mask(_clean(headline)), room) + tail + "\n"


def _clean(text: str) -> str:
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
