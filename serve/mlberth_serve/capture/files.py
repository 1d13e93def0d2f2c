"""Files of captured lines, by the hour: `2026/11/28/13/52-07-123-<uuid>.jsonl`, and never seen half written.

A file is written under a hidden name that its writer has locked, and renamed when it is whole. What a killed
process has left is unlocked: the next writer takes the whole lines of it over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

_HIDDEN = "."
_SUFFIX = ".jsonl"
_NEW = ".new"


class OpenFile:
    """A file of one hour that lines are added to."""

    def __init__(self, folder: Path, time: float) -> None:
        """Create it below `folder`, in the hour of a time; raises OSError."""
        when = datetime.fromtimestamp(time, timezone.utc)
        self.hour = hour_of(time)
        self.began = time
        name = f"{when:%M-%S}-{when.microsecond // 1000:03}-{uuid.uuid4()}{_SUFFIX}"
        self.path = folder / self.hour / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._hidden = self.path.with_name(_HIDDEN + name)
        new = self._hidden.with_suffix(_NEW)
        self._descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        new.rename(self._hidden)  # no other process sees it without its lock
        self.size = 0

    def add(self, line: bytes) -> None:
        """Add a line, or nothing of it if there is no room; raises OSError then."""
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(line)

    def publish(self) -> Path | None:
        """Give it its name, and return that; None if it is empty and gone. Raises OSError."""
        try:
            return _publish(self._hidden, self._descriptor, self.size)
        finally:
            os.close(self._descriptor)


def hour_of(time: float) -> str:
    """Return the folder of a time, in UTC."""
    return f"{datetime.fromtimestamp(time, timezone.utc):%Y/%m/%d/%H}"


def recover(folder: Path) -> Iterator[Path]:
    """Publish the whole lines of each file whose writer is gone; yields their names."""
    for hidden in sorted(folder.glob(f"*/*/*/*/{_HIDDEN}*{_SUFFIX}")):
        with contextlib.suppress(OSError):  # another process may be at it too
            descriptor = os.open(hidden, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if hidden.exists() and (path := _publish(hidden, descriptor, _whole(descriptor))):
                    yield path
            finally:
                os.close(descriptor)


def published(folder: Path) -> list[Path]:
    """Return the whole files, the oldest first."""
    return sorted(path for path in folder.glob(f"*/*/*/*/*{_SUFFIX}") if not path.name.startswith(_HIDDEN))


def _publish(hidden: Path, descriptor: int, size: int) -> Path | None:
    if not size:
        hidden.unlink()
        return None
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)
    path = hidden.with_name(hidden.name.removeprefix(_HIDDEN))
    hidden.rename(path)
    return path


def _whole(descriptor: int) -> int:
    """Return the size of the lines that have their end."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
