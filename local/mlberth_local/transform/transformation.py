"""One object's way through a model: records, requests side by side, answers in order, one file at the end."""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO, NamedTuple, cast

from mlberth_local.transform.connection import Body
from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.records import DataProcessing, Record, TransformError
from mlberth_local.transform.request_loop import Request, RequestLoop
from mlberth_local.transform.splitting import fill, line_blocks, split

LARGEST_PAYLOAD_MB = 100
"""Of a request, as the service has it."""
_CHUNK = 64 * 1024
_LINE = b"\n"
_UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading an object raises if it cannot be read, or is a damaged gzip file."""


@dataclass(frozen=True)
class Form:
    """How objects are cut, and answers put together."""

    split_type: str = "None"
    """None, Line, RecordIO or TFRecord."""
    assemble_with: str = "None"
    """None or Line."""
    unpacks: bool = False
    """Whether objects are gzip files."""
    processing: DataProcessing | None = None


class _Batch(NamedTuple):
    """What one request is made of."""

    body: Body
    records: Sequence[Record] = ()
    """Those in it, if its answer has to be taken apart."""


class Transformation:
    """Sends the objects of a job to the servers of one instance; each object in a thread of its caller.

    At most `2 * max_concurrent` requests are in memory, whatever the objects' sizes are, and as many as the
    servers take are on their way.
    """

    def __init__(self, client: ModelClient, parameters: Parameters, form: Form) -> None:
        self._client = client
        if form.processing and not parameters.max_payload_mb:
            # Records are taken apart to be filtered and joined, so that even these have a limit.
            parameters = replace(parameters, max_payload_mb=LARGEST_PAYLOAD_MB)
        self._parameters = parameters
        self._form = form
        self._slots = threading.BoundedSemaphore(parameters.max_concurrent or 1)
        self._room: SimpleQueue[None] = SimpleQueue()
        """Has an item for each request that may still be in memory: the semaphores of Python are slow."""
        for _ in range(2 * (parameters.max_concurrent or 1)):
            self._room.put(None)

    def close(self) -> None:
        """Close the connections; nothing may be sent any more."""
        self._client.close()

    def run(self, source: Path, target: Path, is_stopped: Callable[[], bool]) -> None:
        """Write the answers for an object into a file. Raises TransformError."""
        with closing(_opened(source, unpacks=self._form.unpacks)) as stream, target.open("wb") as results:
            try:
                self._send_batches(self._batches(source, stream), results, is_stopped)
            except _UNREADABLE as error:
                raise TransformError(str(error)) from None
            results.flush()
            os.fsync(results.fileno())

    def _send_batches(
        self, batches: Iterator[_Batch], results: BinaryIO, is_stopped: Callable[[], bool]
    ) -> None:
        pending: deque[tuple[_Batch, Request]] = deque()
        with closing(RequestLoop(self._client, self._slots)) as loop:
            try:
                for batch in batches:
                    # The answers of this object that wait for an earlier one take room as well: so while it
                    # has any it never waits for others, who may do the same.
                    while not self._take_room(blocking=not pending):
                        self._wait(loop, is_stopped)
                        self._write_done(pending, results)
                    pending.append((batch, loop.submit(batch.body)))
                while pending:
                    self._wait(loop, is_stopped)
                    self._write_done(pending, results)
            finally:
                for _ in pending:
                    self._room.put(None)

    def _take_room(self, *, blocking: bool) -> bool:
        try:
            self._room.get(blocking)
        except Empty:
            return False
        return True

    @staticmethod
    def _wait(loop: RequestLoop, is_stopped: Callable[[], bool]) -> None:
        if is_stopped():
            raise TransformError("stopped")
        loop.wait()

    def _batches(self, source: Path, stream: BinaryIO) -> Iterator[_Batch]:
        form, limit = self._form, self._parameters.payload
        if self._parameters.max_payload_mb == 0:  # the whole object, in chunks
            yield _Batch(lambda: _chunks(source, unpacks=form.unpacks))
            return
        several = self._parameters.strategy == "MultiRecord" and form.split_type != "None"
        if several and form.split_type == "Line" and not form.processing:
            for body in line_blocks(stream, limit):
                yield _Batch(body)
            return
        records = split(stream, form.split_type, limit)
        if not several and not form.processing:
            for record in records:
                yield _Batch(record.body)
            return
        separator = _LINE if form.split_type == "Line" else b""
        keeps = form.processing is not None and form.processing.changes_output
        filled = fill(records, limit, lines=form.split_type == "Line", several=several, size=self._size)
        for batch in filled:
            body = separator.join([self._outgoing(record) for record in batch])
            yield _Batch(body, batch if keeps else ())

    def _size(self, record: Record) -> int:
        return len(self._outgoing(record))

    def _outgoing(self, record: Record) -> bytes:
        if self._form.processing:
            return self._form.processing.outgoing(record)
        return record.frame  # of a binary format, whose padding goes along if a request holds several records

    def _write_done(self, pending: deque[tuple[_Batch, Request]], results: BinaryIO) -> None:
        """Write the answers that are there, as far as those before them are."""
        while pending and pending[0][1].is_done:
            batch, request = pending[0]
            if request.answer is None:
                raise TransformError(request.problem)
            pending.popleft()
            self._room.put(None)
            self._write(batch, request.answer, results)

    def _write(self, batch: _Batch, answer: bytes, results: BinaryIO) -> None:
        processing, parts = self._form.processing, [answer]
        if processing and processing.changes_output:
            parts = processing.results(batch.records, answer, self._client.last)
        # The records of an answer have their line ends; the last one may lack it.
        ends_lines = self._form.assemble_with == "Line" and self._parameters.max_payload_mb > 0
        for part in parts:
            results.write(part)
            if ends_lines and not part.endswith(_LINE):
                results.write(_LINE)


def _opened(path: Path, *, unpacks: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if unpacks else path.open("rb")


def _chunks(path: Path, *, unpacks: bool) -> Iterable[bytes]:
    try:
        with closing(_opened(path, unpacks=unpacks)) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _UNREADABLE as error:  # the object's fault, not the server's
        raise TransformError(str(error)) from None
