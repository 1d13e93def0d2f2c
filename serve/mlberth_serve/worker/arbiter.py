"""gunicorn's arbiter, with our slots for workers, and our answer to a worker that cannot start or is late.

It forks the workers, gives each a slot of the shared memory, and decides if and when a worker that has
failed is tried again. A model that no worker has ever loaded ends it, with the cause for the supervisor.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import gunicorn.arbiter
from gunicorn.errors import HaltServer

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.heartbeat import Heartbeats
from mlberth_serve.shared.run_directory import GenerationDirectory, replace_private
from mlberth_serve.variables import Variables
from mlberth_serve.worker.revocation import ConnectionRevoker, revoke_stuck
from mlberth_serve.worker.worker import Worker
from mlberth_serve.worker.worker_deaths import StackFile, WorkerDeaths

_MAX_FAILED_STARTS = 4
"""With 1, 2 and 4 seconds between them."""
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_LOOK_SECONDS = 0.2
"""Between two looks for late workers; gunicorn itself looks once a second."""
_IDLE_SECONDS = 10.0
"""The longest time between two looks while no worker has anything to do; half the timeout if that is less."""

log = logging.getLogger(__name__)


class Arbiter(gunicorn.arbiter.Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's arbiter, whose workers miss no signal, and which can wait before it starts another.

    A worker inherits the arbiter's handlers, which only queue, until it has set its own: a stop that
    comes in between would be lost, and the arbiter would wait its whole grace for that worker.
    """

    # No process ends with these. By gunicorn's own (3, 4) a worker would end the server, and a handler
    # may end its process with any.
    WORKER_BOOT_ERROR = APP_LOAD_ERROR = -1

    def __init__(
        self, app: Any, folder: GenerationDirectory, heartbeats: Heartbeats, out_of_memory: Path
    ) -> None:
        super().__init__(app)
        self._folder = folder
        self._heartbeats = heartbeats
        self._hold_until = 0.0  # when the next worker may be started, by the machine's monotonic clock
        self._failed_starts = 0
        self._has_served = False
        self._deaths = WorkerDeaths(out_of_memory, self.cfg.timeout)
        self._woken: socket.socket | None = None
        """Readable after a signal."""

    def init_signals(self) -> None:
        """Let signals wake it; a worker sets its own descriptor for that."""
        super().init_signals()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def assign_slot(self, worker: Worker) -> None:
        """Give a worker the lowest slot that no other has, so that it takes over from one that has ended."""
        taken = {other.slot for other in self.WORKERS.values()}
        worker.slot = min(set(range(self.cfg.workers)) - taken)
        worker.heartbeat = self._heartbeats.heartbeat(worker.slot)
        worker.revoker = ConnectionRevoker()
        worker.stack = StackFile()

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait for them as gunicorn does, and look after late workers meanwhile."""
        if self._is_idle():
            self._sleep()
            timeout = 0.0
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            signals: list[int] = super().wait_for_signals(max(0.0, min(left, _LOOK_SECONDS)))
            if signals or left <= _LOOK_SECONDS:
                return signals
            self._deaths.forget()
            statuses = self._heartbeats.statuses()
            workers = [(worker.revoker, statuses[worker.slot]) for worker in self.WORKERS.values()]
            revoke_stuck(workers, time.monotonic())

    def _is_idle(self) -> bool:
        """Return whether nothing can be late soon: a request would come on a connection that is new."""
        if self._deaths.is_marked or len(self.WORKERS) < self.cfg.workers:
            return False
        statuses = self._heartbeats.statuses()
        return all(
            status.loaded and not status.request_began and not worker.revoker.has_connections
            for worker in self.WORKERS.values()
            for status in [statuses[worker.slot]]
        )

    def _sleep(self) -> None:
        """Return at the next signal, with a worker's next kept connection, or after a while."""
        poll = select.poll()
        if self._woken:
            poll.register(self._woken, select.POLLIN)
        for worker in self.WORKERS.values():
            poll.register(worker.revoker, select.POLLIN)
        # A signal that came before now is in the queue, and its byte in the socket.
        poll.poll(1000 * min(_IDLE_SECONDS, self.cfg.timeout / 2))
        with contextlib.suppress(BlockingIOError):
            while self._woken and self._woken.recv(4096):
                pass
        for worker in self.WORKERS.values():
            worker.revoker.collect()

    def spawn_workers(self) -> None:
        """Start the workers that are missing, unless it is too early."""
        if time.monotonic() < self._hold_until:
            return
        try:
            super().spawn_workers()
        except OSError as error:  # no process can be made, or no memory is left for one
            self._start_failed(f"no process could be made: {error.strerror}", serves=bool(self.WORKERS))

    def spawn_worker(self) -> Any:
        """Fork a worker with the stop signals held back; it lets them in when it can act on them.

        The child never returns from here. Whatever is raised in it would reach the loop of an arbiter, which
        would end the other workers and remove the socket.
        """
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        try:
            return super().spawn_worker()
        except BaseException as error:
            if os.getpid() == parent:
                raise
            end_process(error)
        finally:
            let_stop_in()

    def note_exit(self, worker: Worker) -> None:
        """Note that a worker has ended; gunicorn starts another, which the slot is then for."""
        status = self._heartbeats.statuses()[worker.slot]
        if ended := self.log.ended.pop(worker.pid, ""):
            # Before the connections that it kept are shut down: nginx then answers, and says the same.
            self._deaths.note(worker.pid, ended, status, worker.stack.read())
        worker.stack.close()
        worker.heartbeat.clear()  # before a successor has the slot: it is to count as not loaded
        worker.revoker.end()
        if status.loaded:
            self._has_served, self._failed_starts = True, 0  # the model can be loaded: what comes now is new
        else:
            self._start_failed("died before they had loaded the model")

    def _start_failed(self, reason: str, *, serves: bool = False) -> None:
        """Try again later if that may help, and end gunicorn if it does not.

        A model that no worker has loaded yet is not tried again; what the machine lacks is waited for as long
        as another worker `serves`. Raises HaltServer.
        """
        if not self.LISTENERS:
            return  # it is being stopped
        cause = failure_report.read(self._folder.cause)
        with contextlib.suppress(OSError):
            self._folder.cause.unlink()  # it is of this failure alone
        if time.monotonic() < self._hold_until:
            return  # started together with another that has failed and been counted
        self._failed_starts += 1
        served = self._has_served or any(status.loaded for status in self._heartbeats.statuses())
        if serves or (self._failed_starts < _MAX_FAILED_STARTS and (served or cause is None)):
            delay = 2.0 ** min(self._failed_starts - 1, _MAX_FAILED_STARTS)
            self._hold_until = time.monotonic() + delay
            found = cause.fields["message"] if cause else reason
            log.error("a worker could not be started, the next try is in %g s: %s", delay, found)
            return
        if cause is None:
            cause = failure_report.describe(_cannot_start(f"{self._failed_starts} in a row {reason}"))
        with contextlib.suppress(OSError):  # a full disk; the exit code says that it has ended
            replace_private(self._folder.failure, cause.line)
        raise HaltServer(reason, gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR)

    def _ignore(self) -> None:
        """Leave the number of workers, and the program, as they are: the supervisor decides on both."""

    handle_hup = handle_ttin = handle_ttou = handle_usr2 = _ignore


def end_process(error: BaseException) -> NoReturn:
    """End a worker's process with an exception: its exit code, or 1 and a line in the log."""
    code = 1
    with contextlib.suppress(BaseException):
        if not isinstance(error, SystemExit):
            log.error("a worker ends, since its own loop failed", exc_info=error)
        elif error.code is None or isinstance(error.code, int):
            code = (error.code or 0) & 0xFF
        else:
            log.error("a worker ends: %s", error.code)
    # os._exit runs none of these, and sys.exit would be seen by the arbiter's loop.
    for last_step in (atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # noqa: SLF001 - no public name
        with contextlib.suppress(BaseException):
            last_step()
    os._exit(code)


def let_stop_in() -> None:
    """Deliver the stop signals that were held back, and those to come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)


def _cannot_start(found: str) -> ModelLoadError:
    action = (
        "The log has the signal or exit code of each. If it is SIGKILL, memory has run out: "
        f"set {Variables.workers.name} lower."
    )
    return ModelLoadError(Fault("workers", found, "processes that load it and live on", action))
