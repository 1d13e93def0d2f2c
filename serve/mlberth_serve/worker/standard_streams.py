"""The standard streams of a process that runs user code, which may close them or put others in their place.

Our own lines go through duplicates, which that code does not know. A stream that is closed is opened again:
the next file or connection would get its number, and a client what is printed. A stream that the user's
code has replaced on purpose stays as it is.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from typing import TextIO

from mlberth import logs
from mlberth.log_outlet import Outlet, text_stream

_PRINT_SECONDS = 1.0
"""How long a handler's print waits for whoever reads it, once."""
_STANDARD = range(3)


class StandardStreams:
    """Standard input, output and error of this process, as they were when this was made."""

    def __init__(self, form: str) -> None:
        """Put streams in the place of sys.stdout and sys.stderr that never fail; `form` is the log's."""
        self._duplicates = [_duplicate(number) for number in _STANDARD]
        self._outlets = {
            "stdout": (logs.make_outlet(1, form, patience=_PRINT_SECONDS), _encoding("stdout")),
            "stderr": (logs.make_outlet(2, form, patience=_PRINT_SECONDS), _encoding("stderr")),
        }
        for name in self._outlets:
            self._renew(name)
        self.current = sys.stdout, sys.stderr
        """The streams of Python as they were left here; if a request has replaced one, see `restore`."""

    @property
    def stdout(self) -> int:
        """A duplicate of descriptor 1, for our own lines."""
        return self._duplicates[1]

    @property
    def stderr(self) -> int:
        """A duplicate of descriptor 2, for our own lines."""
        return self._duplicates[2]

    def make_log_stream(self) -> TextIO:
        """Return a stream for our log."""
        return text_stream(Outlet(self.stderr), self._outlets["stderr"][1])

    def restore(self) -> None:
        """Open the descriptors and streams that are closed; costs a system call each."""
        for number, duplicate in zip(_STANDARD, self._duplicates, strict=True):
            try:
                os.fstat(number)
            except OSError:
                os.dup2(duplicate, number)
        for name in self._outlets:
            if not _takes_text(getattr(sys, name, None)):
                self._renew(name)
        self.current = sys.stdout, sys.stderr

    def give_back(self) -> None:
        """Make the descriptors what they were at the start, whatever has replaced them: for an exec."""
        for number, duplicate in zip(_STANDARD, self._duplicates, strict=True):
            os.dup2(duplicate, number)

    def _renew(self, name: str) -> None:
        setattr(sys, name, text_stream(*self._outlets[name]))


def above_standard(connection: socket.socket) -> socket.socket:
    """Return the connection, with another number if it has that of a standard stream, which was closed."""
    if connection.fileno() not in _STANDARD:
        return connection
    with connection:
        return socket.socket(fileno=_duplicate(connection.fileno()))


def _duplicate(number: int) -> int:
    return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, len(_STANDARD))


def _encoding(name: str) -> str:
    return getattr(getattr(sys, name), "encoding", None) or "utf-8"


def _takes_text(stream: object) -> bool:
    try:
        return stream is not None and not getattr(stream, "closed", False)
    except Exception:  # noqa: BLE001 - a stream whose buffer is detached raises ValueError; the user's own, anything
        return False
