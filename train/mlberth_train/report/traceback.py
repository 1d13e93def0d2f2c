"""The last exception of a Python program, read from the tail of its standard error.

The grammar is the interpreter's own (`traceback`, `faulthandler`), not a list of error names.
"""

from __future__ import annotations

import re
from pathlib import Path

from mlberth._typing import NamedTuple

# A header, frames that are indented, then the exception at the margin. A chain ends in the exception that
# ended the program, an exception group nests the same below a margin of bars, and a SyntaxError of the
# program itself has no header.
_HEADER = "Traceback (most recent call last):"
_GROUP_HEADER = "  + Exception Group Traceback (most recent call last):"
_CRASH_HEADER = re.compile(r"(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):")
_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>[0-9]{1,9})(?:,? in (?P<function>.+))?')
_EXCEPTION = re.compile(r"[A-Za-z_][\w.<>]*(?:: .*|:)?")
# torch.distributed prints an exception with its rank in front of each line.
_RANK = re.compile(r"\[rank[0-9]+\]: ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MARGIN = re.compile(r" +\| ?")
_IN_GROUP = re.compile(r"[ |+]+(?:Exception Group )?")
_CARETS = re.compile(r"[\s^~]*")


class Frame(NamedTuple):
    """One line of code in a traceback."""

    file: str
    line: int
    function: str | None
    """None for the line of a SyntaxError."""
    source: str
    """The line of code, if the traceback shows it."""


class Traceback(NamedTuple):
    """The last exception that was printed."""

    exception: str
    """Its class and message, with every line that follows."""
    frames: tuple[Frame, ...]
    """From the outermost to the innermost."""


def lines_of(stderr: bytes) -> list[str]:
    """Return the lines of an output as a terminal shows them: no colours, progress bars at their end."""
    text = _COLOUR.sub("", stderr.decode(errors="replace")).replace("\r\n", "\n")
    return [_RANK.sub("", line.rpartition("\r")[2], count=1) for line in text.split("\n")]


def last_traceback(lines: list[str]) -> Traceback | None:
    """Return the last traceback of the interpreter in some lines of output, if there is one."""
    for start in range(len(lines) - 1, -1, -1):
        if lines[start] == _GROUP_HEADER:
            return _group(lines[start + 1 :])
        prefix, header, rest = lines[start].partition(_HEADER)
        if header and not rest and not _IN_GROUP.fullmatch(prefix):
            return _plain(_without_prefix(prefix, lines[start + 1 :]))
    return _headless(lines)


def crash_frames(lines: list[str]) -> tuple[Frame, ...]:
    """Return the frames of faulthandler's report on the thread that crashed, outermost first."""
    for number, line in enumerate(lines):
        if _CRASH_HEADER.fullmatch(line):
            return tuple(reversed(_frames(lines[number + 1 :])))
    return ()


def last_frame(frames: tuple[Frame, ...], code: Path) -> Frame | None:
    """Return the innermost frame of the user's own code.

    That is a file below the code folder, or, for an installed package, that of the outermost frame or one
    beside it.
    """
    files = [frame for frame in frames if not frame.file.startswith("<")]
    if not files:
        return None
    folders = (f"{code}/", f"{Path(files[0].file).parent}/")
    return next((frame for frame in reversed(files) if frame.file.startswith(folders)), files[0])


def _without_prefix(prefix: str, lines: list[str]) -> list[str]:
    """Return lines without what a launcher (`[rank0]: `) has put before each.

    It may as well be a progress bar, which ends where the traceback begins.
    """
    return [line.removeprefix(prefix) for line in lines] if prefix.strip() else lines


def _plain(lines: list[str]) -> Traceback | None:
    end = next((number for number, line in enumerate(lines) if not line.startswith(" ")), len(lines))
    frames = _frames(lines[:end])
    if not frames or end == len(lines) or not _EXCEPTION.fullmatch(lines[end]):
        return None
    return Traceback("\n".join(lines[end:]).strip(), tuple(frames))


def _headless(lines: list[str]) -> Traceback | None:
    """Read `File`, code, carets and exception: a SyntaxError of the program, or a cut traceback."""
    for start in range(len(lines) - 1, -1, -1):
        if _FRAME.fullmatch(lines[start]):
            return _plain(lines[start:])
    return None


def _group(lines: list[str]) -> Traceback | None:
    """Read an exception group: the exceptions of every level in a row, and the frames of all."""
    inside = [_MARGIN.sub("", line, count=1) for line in lines if _MARGIN.match(line)]
    exceptions = [line for line in inside if _EXCEPTION.fullmatch(line) and line != _HEADER]
    return Traceback("\n  ".join(exceptions), tuple(_frames(inside))) if exceptions else None


def _frames(lines: list[str]) -> list[Frame]:
    frames = []
    for number, line in enumerate(lines):
        if match := _FRAME.fullmatch(line):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            is_source = following.startswith("    ") and not _CARETS.fullmatch(following)
            source = following.strip() if is_source else ""
            frames.append(Frame(match["file"], int(match["line"]), match["function"], source))
    return frames
