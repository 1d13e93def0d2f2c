"""Log streams as files: a line of JSON for each event, `{"t": milliseconds, "m": "message"}`.

A group is a folder, a stream a file in it. Whoever has read up to a byte goes on from there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from mlberth._typing import NamedTuple

SUFFIX = ".jsonl"
LARGEST_MESSAGE = 256 * 1024
"""In bytes, as the service has it; a longer line becomes several events."""
_SLASH = "~"
"""Stands for the slashes of a group: no group's name may have one."""


def group_folder(folder: Path, group: str) -> Path:
    """Return the folder of a group's streams."""
    return folder / quote(group, safe="").replace("%2F", _SLASH)


def groups(folder: Path) -> list[str]:
    """Return the names of the groups that have a folder, sorted."""
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())
    return sorted(unquote(name.replace(_SLASH, "/")) for name in names)


def stream_file(folder: Path, group: str, stream: str) -> Path:
    """Return the file of a stream. Raises ValueError for a name that leads elsewhere."""
    if not stream or stream.startswith("/") or {"", ".", ".."} & set(stream.split("/")):
        raise ValueError(f"log stream {stream!r}: expected a relative path")
    return group_folder(folder, group) / f"{stream}{SUFFIX}"


def streams(folder: Path, group: str, prefix: str = "") -> list[str]:
    """Return the names of a group's streams that begin with a prefix, sorted."""
    top = group_folder(folder, group)
    # A job's streams are in a folder of its name: with `JOB/` nothing else is looked at.
    start = top / prefix.rpartition("/")[0]
    names = (str(path.relative_to(top)).removesuffix(SUFFIX) for path in start.rglob(f"*{SUFFIX}"))
    return sorted(name for name in names if name.startswith(prefix))


class LogEvent(NamedTuple):
    """One event of a stream."""

    time: int
    """Milliseconds since the epoch; never less than that of the event before."""
    message: str
    end: int
    """The byte after it in the file."""


def read_events(path: Path, start: int = 0) -> Iterator[LogEvent]:
    """Yield the events from a byte on; a line that is not whole yet is left for later."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            entry = json.loads(line)
            yield LogEvent(entry["t"], entry["m"], start)


class LogWriter:
    """Appends the lines of an output to a stream's file, as they come in pieces of any size."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._partial = bytearray()
        self.lines, self._last = self._resume()

    def _resume(self) -> tuple[int, int]:
        """Return how many events are there, and the last one's time; cut off one that is not whole."""
        lines = last = position = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, position)
                    break
                position += len(line)
                lines += 1
                last = json.loads(line)["t"]
        return lines, last

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; whole lines are written, in one call."""
        self._partial += chunk
        *whole, rest = bytes(self._partial).split(b"\n")
        self._partial = bytearray(rest)
        while len(self._partial) > LARGEST_MESSAGE:
            whole.append(bytes(self._partial[:LARGEST_MESSAGE]))
            del self._partial[:LARGEST_MESSAGE]
        self.write(whole)

    def write(self, messages: list[bytes], milliseconds: int | None = None, *, skip: int = 0) -> int:
        """Append messages, with the time of now or a given one, but for the first `skip` events of them.

        Returns how many events they are.
        """
        parts = [part for message in messages for part in _parts(message)]
        if len(parts) > skip:
            now = int(self._clock() * 1000) if milliseconds is None else milliseconds
            # A clock that was set back must not bring an event before the one that it follows.
            self._last = max(self._last, now)
            os.write(self._file, b"".join(_line(self._last, part) for part in parts[skip:]))
            self.lines += len(parts[skip:])
        return len(parts)

    def finish(self) -> None:
        """Write what has come of a line without an end, and close the file."""
        if self._partial:
            self.write([bytes(self._partial)])
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _parts(message: bytes) -> Iterator[bytes]:
    yield message[:LARGEST_MESSAGE]
    for start in range(LARGEST_MESSAGE, len(message), LARGEST_MESSAGE):
        yield message[start : start + LARGEST_MESSAGE]


def _line(milliseconds: int, message: bytes) -> bytes:
    text = message.decode(errors="replace").rstrip("\r")
    return json.dumps({"t": milliseconds, "m": text}, ensure_ascii=False).encode(errors="replace") + b"\n"
