"""A worker as gunicorn, the supervisor and the kernel see it: its signs of life, its signals, its memory."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from gunicorn.workers.sync import SyncWorker

from mlberth.contract.resources import read_resident
from mlberth_serve.errors import RequestError, describe_timeout
from mlberth_serve.shared.heartbeat import Heartbeat
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.response_writer import WSGIResponse, refusal, send_refusal
from mlberth_serve.worker.revocation import ConnectionRevoker
from mlberth_serve.worker.standard_streams import StandardStreams
from mlberth_serve.worker.streams.delivery import Delivery
from mlberth_serve.worker.worker_deaths import StackFile

NOTIFY_SECONDS = 0.25
"""Between two of gunicorn's signs, which are a file's time: a system call."""


class WorkerProcess(SyncWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's worker, but for what it serves."""

    # Set by gunicorn's hooks before it runs.
    slot: int
    """Index of this worker's slot in per-worker shared memory."""
    heartbeat: Heartbeat
    """Where the supervisor sees that this worker lives."""
    revoker: ConnectionRevoker
    """Gives the arbiter duplicates of kept connections."""
    stack: StackFile
    """Where its stack goes if it is killed."""
    streams: StandardStreams
    is_leaving: Callable[[], bool]
    """Tells whether the whole server is about to stop."""
    request_timeout: float = 60.0
    """In seconds; nginx's, and the supervisor's: gunicorn's is longer."""
    max_memory: int | None = None
    """In bytes; a worker that has more is replaced."""

    _notified = 0.0
    _is_stopping = False
    _response: WSGIResponse | Delivery | None = None
    """What an application, or a generator, writes to now."""
    _working: Sequence[Connection] = ()
    """Where the responses to the requests in work belong."""

    def init_signals(self) -> None:
        """Let a prediction that is cut off leave its stack in the log, even from inside C code."""
        faulthandler.disable()  # else gunicorn's handlers would take its place, and enable() do nothing
        super().init_signals()
        # After gunicorn's: it dumps, then calls the handler that was there before.
        faulthandler.enable(self.stack.descriptor)

    def notify(self) -> None:
        """Give a sign of life to gunicorn and the supervisor."""
        now = self.heartbeat.beat()
        if now - self._notified > NOTIFY_SECONDS:
            self._notify_gunicorn(now)

    def _notify_gunicorn(self, now: float) -> None:
        self._notified = now
        self.streams.restore()
        super().notify()

    def _has_grown(self) -> bool:
        """Return whether this process has more memory than it may: then this request is its last."""
        assert self.max_memory is not None
        return (read_resident(os.getpid()) or 0) > self.max_memory

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that the arbiter wants this worker to end when it has answered what has arrived."""
        self._is_stopping = True  # unlike `alive` alone, which max_requests clears too
        super().handle_exit(sig, frame)

    def handle_quit(self, *_: object) -> None:
        """End at once; no code of the user's gets in the way."""
        os._exit(0)

    def handle_abort(self, *_: object) -> None:
        """End a prediction that hangs, with a response, since without nginx nobody else sends one."""
        late = RequestError(504, "timeout", f"No answer within {describe_timeout(self.request_timeout)}.")
        for connection in [] if self._response and self._response.headers_sent else self._working:
            with contextlib.suppress(OSError):
                connection.socket.settimeout(0)  # a client that does not read is not waited for
                connection.socket.sendall(refusal(late))
        os._exit(1)  # not sys.exit: the handler may catch what that raises

    def handle_error(self, request: Any, client: socket.socket, address: Any, error: BaseException) -> None:
        """Answer a request that cannot be served; gunicorn knows the status, we give it the one form."""
        send_refusal(
            client, lambda page: super(WorkerProcess, self).handle_error(request, page, address, error)
        )
