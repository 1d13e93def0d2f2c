"""A spool: lines that a thread appends to files, which get their names when they are whole."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_LOG = logging.getLogger("mlberth.gateway")
PART = ".part"
"""What the name of a file that is still written to ends with."""
Name = Callable[[float], str]
"""Makes a file's path below the folder, of the second since the epoch at which it begins."""


@dataclass(frozen=True)
class SpoolLimits:
    """How much waits, and when a file is whole."""

    waiting_bytes: int = 64 * 1024 * 1024
    """More is dropped: whoever writes must not be waited for."""
    file_bytes: int = 16 * 1024 * 1024
    file_seconds: float = 10.0
    kept_bytes: int | None = None
    """Of whole files in one folder: older ones are removed. None if somebody else takes them away."""


@dataclass
class _Line:
    folder: Path
    make: Callable[[], bytes]
    size: int


@dataclass
class _File:
    path: Path
    file: BinaryIO
    began: float
    size: int = 0


@dataclass
class Spool:
    """Files below one folder, one for each folder in it at a time."""

    root: Path
    name: Name
    limits: SpoolLimits = field(default_factory=SpoolLimits)
    clock: Callable[[], float] = time.time
    dropped: int = 0
    """How many lines there was no room for."""

    def __post_init__(self) -> None:
        self._lines: deque[_Line] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closing = False
        self._files: dict[Path, _File] = {}
        self._thread: threading.Thread | None = None

    def offer(self, folder: str, make: Callable[[], bytes], size: int) -> bool:
        """Let the thread write what `make` returns, a line of about `size` bytes; never waits.

        Returns False if too much waits already: the line is dropped.
        """
        with self._changed:
            if self._closing or self._waiting + size > self.limits.waiting_bytes:
                self.dropped += 1
                return False
            if self._thread is None:
                self._recover()
                self._thread = threading.Thread(target=self._run, name=f"spool {self.root.name}")
                self._thread.start()
            self._lines.append(_Line(self.root / folder, make, size))
            self._waiting += size
            self._changed.notify()
        return True

    def close(self) -> None:
        """Write what waits, and give all files their names."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _recover(self) -> None:
        """Give a name to what a process that was killed has left; its last line may be cut off."""
        for path in self.root.rglob(f"*{PART}"):
            path.rename(path.with_suffix(""))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing, timeout=1.0)
                lines, self._lines, self._waiting = list(self._lines), deque(), 0
                closing = self._closing
            for line in lines:
                try:
                    self._write(line)
                except OSError as error:
                    self.dropped += 1
                    _LOG.warning("%s: a line was lost: %s", line.folder, error.strerror)
            now = self.clock()
            for folder, file in list(self._files.items()):
                file.file.flush()
                if closing or now >= file.began + self.limits.file_seconds:
                    self._finish(folder)
            if closing:
                return

    def _write(self, line: _Line) -> None:
        found = self._files.get(line.folder) or self._open(line.folder)
        content = line.make()
        found.file.write(content)
        found.size += len(content)
        if found.size >= self.limits.file_bytes:
            self._finish(line.folder)

    def _open(self, folder: Path) -> _File:
        now = self.clock()
        path = folder / self.name(now)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.with_name(path.name + PART).open("xb")
        found = self._files[folder] = _File(path, file, now)
        return found

    def _finish(self, folder: Path) -> None:
        found = self._files.pop(folder)
        found.file.close()
        found.path.with_name(found.path.name + PART).rename(found.path)
        if self.limits.kept_bytes is not None:
            _remove_oldest(folder, self.limits.kept_bytes)


def _remove_oldest(folder: Path, kept: int) -> None:
    for path in sorted(folder.rglob("*.jsonl"), reverse=True):
        kept -= path.stat().st_size
        if kept < 0:
            path.unlink()


def hourly_name(now: float) -> str:
    """Return a name by the time: `yyyy/mm/dd/hh/MM-SS-mmm-<uuid>.jsonl`, as the platform has it."""
    found = time.strftime("%Y/%m/%d/%H/%M-%S", time.gmtime(now))
    return f"{found}-{int(now * 1000) % 1000:03}-{uuid4()}.jsonl"
