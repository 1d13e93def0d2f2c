"""The choice of requests that a worker captures, and the way of one to the writer."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlberth.captured_request import Exchange, Form
from mlberth.code.s3 import SCHEME, S3Prefix
from mlberth.errors import ContractError, Fault
from mlberth_serve.capture.writer import Writer
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import StreamedBody
from mlberth_serve.settings import Settings
from mlberth_serve.variables import Variables


class Capture:
    """Chooses requests by chance; an answer that is no success is never captured."""

    def __init__(self, writer: Callable[[Callable[[int, int], None]], Writer], percentage: float) -> None:
        """`writer` makes the writer of one worker, given what counts for it."""
        self._make_writer = writer
        self._writer: Writer | None = None
        self._percentage = percentage
        # Not the module's, whose seed is the handler's business, and the same in every forked worker.
        self._random = random.SystemRandom().random if percentage < 100 else None

    def start(self, count: Callable[[int, int], None]) -> None:
        """Begin to write, in a worker; `count` is told how many were written and dropped."""
        self._writer = self._make_writer(count)
        self._writer.start()

    def close(self) -> None:
        """Write what waits: the worker ends."""
        if self._writer:
            self._writer.close()

    def take(self, body: bytes | memoryview) -> bytes | None:
        """Return the body if the request is captured: as it came, whatever a handler does to it."""
        if self._writer is None or (self._random and self._random() * 100 >= self._percentage):
            return None
        return bytes(body)

    def put(
        self, body: bytes, content_type: str, answer: tuple[bytes | StreamedBody, str], context: Context
    ) -> None:
        """Hand an exchange to the writer; never waits and never fails. Streamed answers are not captured."""
        found, found_type = answer
        if self._writer and isinstance(found, bytes) and 200 <= context.response_status < 300:
            ids = context.inference_id, context.custom_attributes
            self._writer.offer(Exchange(body, content_type, found, found_type, *ids, time.time()))


def make_capture(settings: Settings, environ: Mapping[str, str]) -> Capture | None:
    """Return the capture that the settings ask for, None if they ask for none.

    Raises ContractError for a destination that is no folder of ours and no address.
    """
    destination = settings.capture_destination
    if not destination:
        return None
    name = Variables.capture_destination.name
    store = S3Prefix(destination, environ, where=name) if destination.startswith(SCHEME) else None
    folder = _spool(destination) if store else Path(destination)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ContractError(
            Fault(name, f"{destination!r}: {error.strerror}", "a folder to write to")
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ContractError(Fault(name, repr(destination), "a folder that this user may write to"))
    form = Form(
        "input" in settings.capture_options,
        "output" in settings.capture_options,
        settings.capture_csv_types,
        settings.capture_json_types,
    )

    def make_writer(count: Callable[[int, int], None]) -> Writer:
        seconds, size = settings.capture_file_seconds, settings.capture_file_mb * 1024 * 1024
        return Writer(folder, form, file_seconds=seconds, file_bytes=size, store=store, count=count)

    return Capture(make_writer, settings.capture_percentage)


def _spool(destination: str) -> Path:
    """Return the folder where files wait for S3: the same for all workers, and after a restart."""
    digest = hashlib.sha256(destination.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"mlberth-capture-{os.getuid()}-{digest}")
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or path.is_symlink() or not path.is_dir():
        raise ContractError(Fault(str(path), "something of another user's", "a folder of this user's own"))
    return path
