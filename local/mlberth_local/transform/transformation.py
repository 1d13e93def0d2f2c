"""One object's way through a model: records, requests side by side, answers in order, one file at the end."""

from __future__ import annotations

import gzip
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.records import DataProcessing, Record, TransformError
from mlberth_local.transform.splitting import fill, split

_CHUNK = 64 * 1024
_LINE = b"\n"


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


class Transformation:
    """Sends the objects of a job to the servers of one instance.

    At most `2 * max_concurrent` requests are in memory, whatever the objects' sizes are, and as many as the
    server takes are on their way.
    """

    def __init__(self, client: ModelClient, parameters: Parameters, form: Form) -> None:
        self._client = client
        self._parameters = parameters
        self._form = form
        self._senders = ThreadPoolExecutor(parameters.max_concurrent or 1, "transform")
        self._room = threading.BoundedSemaphore(2 * (parameters.max_concurrent or 1))

    def close(self) -> None:
        """End threads and connections; requests that have not begun are dropped."""
        self._senders.shutdown(cancel_futures=True)
        self._client.close()

    def run(self, source: Path, target: Path, is_stopped: Callable[[], bool]) -> None:
        """Write the answers for an object into a file. Raises TransformError."""
        with closing(_opened(source, unpacks=self._form.unpacks)) as stream, target.open("wb") as results:
            try:
                if self._parameters.max_payload_mb == 0:
                    self._stream(source, results)
                else:
                    self._send_batches(stream, results, is_stopped)
            except (OSError, EOFError, UnicodeDecodeError) as error:
                raise TransformError(str(error)) from None
            results.flush()
            os.fsync(results.fileno())

    def _stream(self, source: Path, results: BinaryIO) -> None:
        """Send a whole object in chunks."""
        results.write(self._client.send(lambda: _chunks(source, unpacks=self._form.unpacks)))

    def _send_batches(self, stream: BinaryIO, results: BinaryIO, is_stopped: Callable[[], bool]) -> None:
        pending: deque[tuple[list[Record], Future[bytes]]] = deque()
        try:
            for batch in self._batches(stream):
                if is_stopped():
                    raise TransformError("stopped")
                while pending and pending[0][1].done():
                    self._write_oldest(pending, results)
                # The answers of this object that wait for an earlier one take room as well: so while it has
                # any it never waits for others, who may do the same.
                while not self._room.acquire(blocking=not pending):
                    self._write_oldest(pending, results)
                pending.append((batch, self._senders.submit(self._send, batch)))
            while pending:
                self._write_oldest(pending, results)
        finally:
            for _, future in pending:
                future.cancel()
                self._room.release()

    def _batches(self, stream: BinaryIO) -> Iterator[list[Record]]:
        form, limit = self._form, self._parameters.payload
        several = self._parameters.strategy == "MultiRecord" and form.split_type != "None"
        records = split(stream, form.split_type, limit)
        return fill(records, limit, lines=form.split_type == "Line", several=several, size=self._size)

    def _size(self, record: Record) -> int:
        return len(self._outgoing(record))

    def _outgoing(self, record: Record) -> bytes:
        if self._form.processing:
            return self._form.processing.outgoing(record)
        # Padding is a part of a binary format, which is sent whole if a request holds several records.
        is_single = self._parameters.strategy == "SingleRecord"
        return record.body if is_single or self._form.split_type in ("Line", "None") else record.frame

    def _send(self, batch: list[Record]) -> bytes:
        separator = _LINE if self._form.split_type == "Line" else b""
        body = separator.join(self._outgoing(record) for record in batch)
        return self._client.send(lambda: body)

    def _write_oldest(self, pending: deque[tuple[list[Record], Future[bytes]]], results: BinaryIO) -> None:
        batch, future = pending[0]
        answer = future.result()
        pending.popleft()
        self._room.release()
        processing = self._form.processing
        parts = [answer]
        if processing and processing.changes_output:
            parts = processing.results(batch, answer, self._client.last)
        for part in parts:
            results.write(part)
            # The records of an answer have their line ends; the last one may lack it.
            if self._form.assemble_with == "Line" and not part.endswith(_LINE):
                results.write(_LINE)


def _opened(path: Path, *, unpacks: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if unpacks else path.open("rb")


def _chunks(path: Path, *, unpacks: bool) -> Iterable[bytes]:
    with closing(_opened(path, unpacks=unpacks)) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
