"""Bytes from a child's pipe to our own output, as they come, with the last of them kept."""

from __future__ import annotations

import _thread
import os
import select
from collections.abc import Callable

from mlberth._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class OutputFilter(Protocol):
        """What changes an output on its way, in chunks of any size."""

        def feed(self, chunk: bytes) -> bytes:
            """Return what to write for the next bytes."""

        def finish(self) -> bytes:
            """Return what is left at the end of the output."""
else:
    OutputFilter = object


_CHUNK = 65536  # what a pipe holds
_TAIL = 65536  # a report has 1024 bytes, and failure.json 200 lines: enough for both
_HEAD = 16384  # enough for the frames of a traceback whose last line is endless
_ATOMIC = 4096  # what no other writer of a pipe comes between (PIPE_BUF)
_LANDMARK = b"Traceback (most recent call last):"


class OutputPump:
    """Copies a pipe to another file descriptor in a thread, byte for byte but for `change`; keeps the tail.

    A thread, so that a reader who does not read our output never delays a signal. Where a Python
    traceback ends in a line too long for the tail, its beginning is kept as well: who wants to know
    why a program failed needs both. With `whole_lines`, other writers of the same pipe do not cut ours.
    `tap` is given each piece after it was written, and must not wait.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        keep: int = _TAIL,
        *,
        change: OutputFilter | None = None,
        whole_lines: bool = False,
        tap: Callable[[bytes], None] | None = None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._keep = keep
        self._change = change
        self._whole_lines = whole_lines
        self._tap = tap
        self._kept = bytearray()
        self._head = b""
        self._has_dropped = False
        self.lost = 0
        """How many bytes could not be written."""
        # What `threading` is made of: it would be the slowest import of all.
        self._running = _thread.allocate_lock()
        self._running.acquire()
        _thread.start_new_thread(self._run, ())

    def finish(self, timeout: float) -> bytes:
        """Wait until the pipe's writers are gone, at most `timeout` seconds; return the tail."""
        if self._running.acquire(timeout=timeout):
            os.close(self._source)
        return bytes(self._head + self._kept)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Where in what `finish` returns something is missing before the next byte."""
        return (len(self._head),) if self._has_dropped else ()

    def _run(self) -> None:
        try:
            while chunk := os.read(self._source, _CHUNK):
                self._kept += chunk
                self._drop(len(self._kept) - self._keep)
                self._write_all(self._change.feed(chunk) if self._change else chunk)
                if self._tap:
                    self._tap(chunk)
            if self._change:
                self._write_all(self._change.finish())
        finally:
            self._running.release()

    def _drop(self, surplus: int) -> None:
        if surplus <= 0:
            return
        self._has_dropped = True
        start = self._kept.rfind(_LANDMARK, 0, surplus + len(_LANDMARK))
        if start >= 0:
            self._head = bytes(self._kept[start : start + _HEAD])
            surplus = start + _HEAD
        elif b"\n" in self._kept[:surplus]:
            self._head = b""  # that line has ended, and something else was written since
        del self._kept[:surplus]

    def _write_all(self, chunk: bytes) -> None:
        start = 0
        while self._whole_lines and len(chunk) - start > _ATOMIC:
            end = chunk.rfind(b"\n", start, start + _ATOMIC) + 1 or chunk.find(b"\n", start) + 1 or len(chunk)
            self._write(chunk[start:end])
            start = end
        self._write(chunk[start:])

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            try:
                view = view[os.write(self._sink, view) :]
            except BlockingIOError:  # whose output it is as well has made it one that does not wait
                select.select([], [self._sink], [])
            except OSError:
                # Nobody reads our output any more, or its disk is full; the child must be able to go on.
                self.lost += len(view)
                return
