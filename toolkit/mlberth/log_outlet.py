"""A way out for lines of a log: one that cannot be written costs nothing but itself.

A pipe that nobody reads, a full disk, a stream that is closed: the line is dropped and counted, nothing is
raised, and nobody waits. When there is room again, the first line says how many are missing.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from functools import partial

from mlberth._typing import typing

_PIECE = select.PIPE_BUF
"""What a pipe that has room takes whole."""
_REST_SECONDS = 0.1
"""How long a line that has been begun waits for room, so that a reader who is there gets all of it."""

Notice = Callable[[int, str], bytes]


class Drops:
    """How many lines this process has dropped, of all its outlets."""

    def __init__(self) -> None:
        self.total = 0
        self.tell: Callable[[int], object] = lambda _: None
        """Is told of each loss."""

    def add(self, lines: int) -> None:
        """Count lines."""
        self.total += lines
        self.tell(lines)


DROPS = Drops()


def no_notice(_lines: int, _why: str) -> bytes:
    """Say nothing of lines that were dropped."""
    return b""


class Outlet:
    """Writes whole lines to a descriptor of this process, which others may write to as well.

    With `patience` a line waits for a reader, so many seconds; after that none does until one gets through.
    `notice` makes the line that tells of lines dropped.
    """

    def __init__(self, descriptor: int, notice: Notice = no_notice, *, patience: float = 0.0) -> None:
        self.descriptor = descriptor
        self._notice = notice
        self._patience = patience
        self._dropped = 0
        self._why = ""
        self._cut = False
        """Whether the last line that was begun has no end."""
        self._stuck = False
        self._known: tuple[int, int] | None = None
        self._send: Callable[[memoryview], int] = self._write

    def write(self, data: bytes, lines: int = 1) -> bool:
        """Write data; returns whether all of it was, and otherwise counts its lines as dropped."""
        dropped = self._dropped
        head = b"\n" if self._cut else b""
        if dropped:
            head += self._notice(dropped, self._why)
        left = self._put(memoryview(head + data))
        written = len(head) + len(data) - left
        if written >= len(head):
            self._dropped -= dropped
            self._cut = self._cut and not written
        if left:
            self._cut = self._cut or written > 0
            self._dropped += lines
            DROPS.add(lines)
        return not left

    def _put(self, view: memoryview) -> int:
        """Write what can be written; returns how many bytes are left."""
        deadline = None
        whole = len(view)
        try:
            self._look()
            while view:
                try:
                    view = view[self._send(view) :]
                    self._stuck = False
                except BlockingIOError:
                    begun = len(view) < whole
                    seconds = max(self._patience, _REST_SECONDS) if begun else self._patience
                    deadline = deadline or time.monotonic() + (0 if self._stuck else seconds)
                    if not self._wait(deadline - time.monotonic()):
                        self._stuck, self._why = True, "nobody read them"
                        break
        except (OSError, ValueError) as error:
            self._why = f"they could not be written ({getattr(error, 'strerror', error)})"
        return len(view)

    def _wait(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return seconds > 0 and bool(poll.poll(seconds * 1000))

    def _look(self) -> None:
        """Find the way to write without waiting, anew if the descriptor has become another file."""
        now = os.fstat(self.descriptor)
        if (now.st_dev, now.st_ino) == self._known:
            return
        self._known = now.st_dev, now.st_ino
        self._send = self._write
        if stat.S_ISFIFO(now.st_mode):
            # A file of our own over the same pipe: whether a write waits is the others' affair in theirs.
            try:
                own = os.open(f"/proc/self/fd/{self.descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:  # there is no /proc, or no reader
                return
            self._send = _Own(partial(os.write, own), partial(os.close, own)).send
        elif stat.S_ISSOCK(now.st_mode):
            import socket

            same = socket.socket(fileno=os.dup(self.descriptor))
            self._send = _Own(lambda view: same.send(view, socket.MSG_DONTWAIT), same.close).send

    def _write(self, view: memoryview) -> int:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self.descriptor, view[:_PIECE])


class _Own:
    """A way of its own to the same file, which is closed when nobody needs it any more."""

    def __init__(self, send: Callable[[memoryview], int], close: Callable[[], object]) -> None:
        self._send = send
        self._close = close

    def send(self, view: memoryview) -> int:
        """Write what there is room for."""
        return self._send(view)

    def __del__(self) -> None:
        self._close()


class _Raw(io.RawIOBase):
    """An outlet as a file."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._outlet.descriptor

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(self._outlet.descriptor)

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: object) -> int:
        """Write data, or drop them."""
        content = bytes(data)  # type: ignore[call-overload]  # whatever has a buffer
        self._outlet.write(content)
        return len(content)

    def close(self) -> None:
        """Stay open: `sys.stdout.close()` of a library would fail all that is printed after it."""


class _Stream(io.TextIOWrapper):
    """An outlet as a text stream, which stays usable."""

    def detach(self) -> typing.BinaryIO:
        """Return the bytes' stream, which both may go on with: `TextIOWrapper(sys.stdout.detach(), …)`."""
        return self.buffer  # type: ignore[return-value]  # typeshed's is private


def text_stream(outlet: Outlet, encoding: str) -> io.TextIOWrapper:
    """Return a stream in the place of sys.stdout or sys.stderr that takes every text and never fails."""
    return _Stream(
        _Raw(outlet),  # type: ignore[arg-type]  # as Python has it without buffers
        encoding,
        "backslashreplace",
        write_through=True,
    )


def hold_standard_streams() -> None:
    """Open /dev/null if a standard stream is closed: the next file would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free


def say(text: str) -> None:
    """Print an error of a command's on standard error; if that cannot be, its exit code says enough."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - what a command is there for
    except (OSError, ValueError):
        sys.stderr = None  # or the interpreter would fail once more as it ends
