"""The places of a running gateway below its folder: its lock, which holds its pid, and its two sockets."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The files of a gateway."""

    folder: Path

    @property
    def table(self) -> Path:
        """What it routes by."""
        return self.folder / "table.json"

    @property
    def control(self) -> Path:
        """The socket on which it is told what to do."""
        return self.folder / "control.sock"

    @property
    def private(self) -> Path:
        """The socket on which the daemon sends HTTP requests that it has checked."""
        return self.folder / "http.sock"

    @property
    def captured(self) -> Path:
        """The files of captured requests, which the daemon takes away."""
        return self.folder / "captured"

    @property
    def shadows(self) -> Path:
        """How shadow variants compare: a folder for each endpoint, and in it for each variant."""
        return self.folder / "shadows"

    @property
    def log(self) -> Path:
        """What it has to say."""
        return self.folder / "gateway.log"

    def lock(self) -> int | None:
        """Take the lock and write this process's id; returns its descriptor, or None if it is taken."""
        descriptor = os.open(self.folder / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def pid(self) -> int | None:
        """Return the process that has the lock; None if none has it."""
        try:
            descriptor = os.open(self.folder / "gateway.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0).decode().strip()
            return int(text) if text.isdecimal() else None
        finally:
            os.close(descriptor)
        return None


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket that only its owner can connect to; what is left of one before is removed."""
    with suppress(FileNotFoundError):
        path.unlink()
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        before = os.umask(0o177)
        try:
            found.bind(name)
        finally:
            os.umask(before)
    found.listen(64)
    return found


def connect(path: Path, seconds: float) -> socket.socket:
    """Connect to a Unix socket. Raises OSError if nobody listens."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.settimeout(seconds)
    try:
        with _short(path) as name:
            found.connect(name)
    except BaseException:
        found.close()
        raise
    return found


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Name a socket in few bytes: an address holds 107, and the path of a home may be longer."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
