"""The thread of a worker that writes captured requests to files, and sends files to S3."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import orjson

from mlberth.captured_request import Exchange, Form, to_event
from mlberth_serve.capture.files import OpenFile, hour_of, published, recover

log = logging.getLogger(__name__)

_MAX_WAITING_BYTES = 32 * 1024 * 1024
"""What may wait for the thread; more than that is dropped, so that a slow disk costs no memory."""
_MAX_WAITING = 4096
_MAX_UNSENT_FILES = 100
"""What may wait for S3."""
_CLOSE_SECONDS = 5.0
_WARN_SECONDS = 60.0


class Store(Protocol):
    """Takes whole files: `mlberth.code.s3.S3Prefix`."""

    def put(self, file: Path, name: str) -> None:
        """Copy a file to a name; raises OSError."""


class Writer:
    """Takes exchanges without ever waiting, and writes them in a thread of its own."""

    def __init__(
        self,
        folder: Path,
        form: Form,
        *,
        file_seconds: float,
        file_bytes: int,
        store: Store | None = None,
        count: Callable[[int, int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write files below `folder`; with a store they are sent there, and are gone afterwards.

        `count` is told how many were written and dropped.
        """
        self._folder = folder
        self._form = form
        self._file_seconds = file_seconds
        self._file_bytes = file_bytes
        self._store = store
        self._count = count
        self._clock = clock
        self._queue: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        # Each is written by one side alone, so neither needs a lock.
        self._offered = self._taken = 0
        self._file: OpenFile | None = None
        self._warned = -_WARN_SECONDS
        self._unsent: list[Path] = []
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the thread: after the fork, since no child has it."""
        self._thread.start()

    def offer(self, exchange: Exchange) -> None:
        """Take an exchange, or drop it if too much waits already."""
        size = len(exchange.body) + len(exchange.answer)
        if self._offered - self._taken + size > _MAX_WAITING_BYTES or self._queue.qsize() >= _MAX_WAITING:
            self._count(0, 1)
            return
        self._offered += size
        self._queue.put(exchange)

    def close(self) -> None:
        """Write what waits, and publish the file; what takes too long is left to the next writer."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        self._take_over()
        while True:
            try:
                exchange = self._queue.get(timeout=self._wait_seconds())
            except queue.Empty:
                self._rotate()
                continue
            if exchange is None:
                break
            self._taken += len(exchange.body) + len(exchange.answer)
            self._write(exchange)
        self._rotate(last=True)

    def _wait_seconds(self) -> float:
        if self._file is None:
            return self._file_seconds
        return min(self._file_seconds, max(0.0, self._file.began + self._file_seconds - self._clock()))

    def _take_over(self) -> None:
        """Publish what killed workers have left, and send what has not been."""
        with contextlib.suppress(OSError):
            self._unsent = [*recover(self._folder)]
            if self._store:
                self._unsent = published(self._folder)
        self._send()

    def _write(self, exchange: Exchange) -> None:
        try:
            if self._file and (
                self._file.size >= self._file_bytes
                or self._file.hour != hour_of(exchange.time)
                or exchange.time >= self._file.began + self._file_seconds
            ):
                self._rotate()
            self._file = self._file or OpenFile(self._folder, exchange.time)
            line = orjson.dumps(to_event(exchange, self._form), option=orjson.OPT_APPEND_NEWLINE)
            self._file.add(line)
        except OSError as error:
            self._warn("%s: a captured request could not be written", error)
            self._count(0, 1)
        else:
            self._count(1, 0)

    def _rotate(self, *, last: bool = False) -> None:
        """Publish the open file if its time is over."""
        if self._file and (last or self._wait_seconds() <= 0 or self._file.size >= self._file_bytes):
            file, self._file = self._file, None
            try:
                if path := file.publish():
                    self._unsent.append(path)
            except OSError as error:
                self._warn(
                    "%s: a file of captured requests could not be finished; it is taken over later", error
                )
        self._send()

    def _send(self) -> None:
        if not self._store:
            self._unsent = []
            return
        while self._unsent:
            path = self._unsent[0]
            try:
                self._store.put(path, str(path.relative_to(self._folder)))
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # another worker has sent it
                pass
            except OSError as error:
                self._warn("%s: captured requests could not be sent; they are sent later", error)
                self._drop_oldest()
                return
            del self._unsent[0]

    def _drop_oldest(self) -> None:
        for path in self._unsent[:-_MAX_UNSENT_FILES]:
            with contextlib.suppress(OSError):
                self._count(0, path.read_bytes().count(b"\n"))
                path.unlink()
        del self._unsent[:-_MAX_UNSENT_FILES]

    def _warn(self, text: str, error: OSError) -> None:
        now = time.monotonic()
        if now - self._warned >= _WARN_SECONDS:
            self._warned = now
            log.warning(text, error.strerror or error)
