"""gunicorn's master: loads the model once, forks the workers, and tells the supervisor of them by files.

Importing the application loads the model. Where the load leaves threads or a GPU context behind,
which no forked child can use, the master starts itself afresh and each worker loads for itself.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.util import import_app

from mlberth import logs
from mlberth.errors import Fault, ModelLoadError
from mlberth.process.kernel import die_with_parent
from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.handler.context import HANDLER_LOGGER
from mlberth_serve.handler.placement import worker_index
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.access_log import AccessLog
from mlberth_serve.shared.heartbeat import Heartbeats
from mlberth_serve.shared.launch_spec import LaunchSpec
from mlberth_serve.shared.metrics_memory import PAGE_BYTES, MetricsMemory
from mlberth_serve.shared.metrics_recorder import Recorder
from mlberth_serve.shared.request_ids import describe_request
from mlberth_serve.shared.run_directory import GenerationDirectory, replace_private
from mlberth_serve.variables import Variables
from mlberth_serve.worker.gunicorn_logger import LOGGER
from mlberth_serve.worker.http.local_routes import serve_metrics, serve_ping
from mlberth_serve.worker.http.static_documents import write_documents
from mlberth_serve.worker.instrumentation import Instrumented
from mlberth_serve.worker.revocation import ConnectionRevoker
from mlberth_serve.worker.worker import Worker

LOAD_IN_WORKERS = "--load-in-workers"
_MAX_FAILED_STARTS = 4
"""With 1, 2 and 4 seconds between them."""
_FORKED_WITH_CARE = frozenset({"jemalloc_bg_thd"})
"""Threads that see to forks themselves: pyarrow's allocator has one, and scikit-learn imports pyarrow."""
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_LOOK_SECONDS = 0.2
_LATE_SECONDS = 0.1
"""After so long no other request waits for a worker that is busy with one."""
_NEVER = 1e12
"""A heartbeat so far ahead that gunicorn's timeout never comes."""

_OOM_SCORE = Path("/proc/self/oom_score_adj")
_WORKERS_SCORE = "500"
"""Where memory runs out, the kernel is to take a worker: it is replaced, the master takes all along."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """Serve as the private folder says that is named first; returns the exit code."""
    folder = GenerationDirectory(Path(argv[0]))
    spec = LaunchSpec.read(folder.launch_spec)
    more = (LOGGER, HANDLER_LOGGER)
    logs.configure(spec.log_level, form=spec.log_format, more=more, fields=describe_request, droppable=True)
    application, began = None, time.monotonic()
    if LOAD_IN_WORKERS not in argv:
        try:
            application = load(spec.application)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
            return failure_report.record(folder.failure, error).exit_code
        if reason := why_not_fork():
            log.info("%s after the model was loaded: each worker loads a model of its own", reason)
            os.execv(sys.executable, [*sys.orig_argv, LOAD_IN_WORKERS])  # noqa: S606 - ourselves, without a shell
    GunicornApp(folder, spec, application, time.monotonic() - began).run()
    return 0


def load(path: str) -> Any:
    """Import the application, and with it the model, as what the garbage collector leaves alone.

    A collection writes to every object, and would copy in each worker what all of them share.
    """
    gc.disable()
    try:
        return import_app(path)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def why_not_fork(
    tasks: Path = Path("/proc/self/task"), modules: Mapping[str, ModuleType] = sys.modules
) -> str | None:
    """Return what makes it unsafe to fork this process and predict in the child, None where nothing does."""
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    threads = sum(name not in _FORKED_WITH_CARE for name in names)
    if threads > 1:
        return f"{threads} threads run"
    torch = modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA is in use"
    return None


class Parent(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's arbiter, whose workers miss no signal, and which can wait before it starts another.

    A worker inherits the arbiter's handlers, which only queue, until it has set its own: a stop that
    comes in between would be lost, and the arbiter would wait its whole grace for that worker.
    """

    hold_until = 0.0
    """When the next worker may be started, by the machine's monotonic clock."""

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait for them as gunicorn does, and look after late workers meanwhile."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            signals: list[int] = super().wait_for_signals(max(0.0, min(left, _LOOK_SECONDS)))
            if signals or left <= _LOOK_SECONDS:
                return signals
            self.app.revoke_stuck(self.WORKERS.values())

    def spawn_workers(self) -> None:
        """Start the workers that are missing, unless it is too early."""
        if time.monotonic() < self.hold_until:
            return
        try:
            super().spawn_workers()
        except OSError as error:  # no process can be made, or no memory is left for one
            self.app.start_failed(self, f"no process could be made: {error.strerror}")

    def spawn_worker(self) -> Any:
        """Fork a worker with the stop signals held back; it lets them in when it can act on them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        try:
            return super().spawn_worker()
        finally:
            let_stop_in()

    def _ignore(self) -> None:
        """Leave the number of workers, and the program, as they are: the supervisor decides on both."""

    handle_hup = handle_ttin = handle_ttou = handle_usr2 = _ignore


def let_stop_in() -> None:
    """Deliver the stop signals that were held back, and those to come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)


class GunicornApp(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with our settings alone: no file, variable or argument of its own is read."""

    respond: Callable[..., HTTPResponse] | None = None
    """How the application answers a prediction without WSGI around it, where it can."""
    respond_batch: Callable[..., list[HTTPResponse]] | None = None
    """How it answers several; asked where `most_batched` is more than 1."""
    max_batch_size = 1

    def __init__(
        self,
        folder: GenerationDirectory,
        spec: LaunchSpec,
        application: Any | None,
        load_seconds: float,
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._application = application
        self._load_seconds = load_seconds
        self._heartbeats = Heartbeats(spec.heartbeats)
        self._failed_starts = 0
        self._has_served = False
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings and hooks."""
        hooks: dict[str, Callable[..., None]] = {
            "pre_fork": self._give_slot,
            "post_fork": self._begin_worker,
            "post_worker_init": self._warm_up,
            "child_exit": self._on_worker_exit,
        }
        for name, value in (self._spec.gunicorn | hooks).items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal ends it."""
        Parent(self).run()

    def load(self) -> Any:
        """Return the application; a worker calls this, and loads it where the master has not."""
        if self._application is None:
            began = time.monotonic()
            self._application = self._load_in_worker()
            self._load_seconds = time.monotonic() - began
        let_stop_in()
        behind_nginx, logged = self._spec.behind_nginx, self._spec.access_log
        observed = Instrumented(
            self._application,
            self._make_recorder(),
            behind_nginx=behind_nginx,
            access_log=AccessLog(self._spec.log_format) if logged and not behind_nginx else None,
            add_trace_header=logged and behind_nginx,
        )
        if hasattr(self._application, "respond"):
            self.respond, self.respond_batch = observed.respond, observed.respond_batch
            self.max_batch_size = self._application.max_batch_size
        if behind_nginx:
            return observed
        run = self._folder.run
        return serve_ping(serve_metrics(observed, run.metrics), run.state)

    def _make_recorder(self) -> Recorder:
        """Return this worker's recorder; where nobody reads it, it writes into memory of its own."""
        board = self._spec.metrics
        recorder = Recorder(bytearray(PAGE_BYTES) if board is None else MetricsMemory(board).take_page())
        recorder.begin_worker(self._load_seconds)
        return recorder

    def _load_in_worker(self) -> Any:
        return self._run_before_requests(lambda: load(self._spec.application))

    def _run_before_requests(self, step: Callable[[], Any]) -> Any:
        # There is no request to finish yet: a stop ends the worker at once, even inside C code.
        graceful = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        let_stop_in()
        try:
            return step()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in main
            cause = failure_report.describe(error)
            replace_private(self._folder.cause, cause.line)
            raise SystemExit(cause.exit_code) from None
        finally:
            signal.signal(signal.SIGTERM, graceful)

    def _give_slot(self, master: Parent, worker: Worker) -> None:
        """Give a worker the lowest slot that no other has, so that a successor takes its place."""
        taken = {other.slot for other in master.WORKERS.values()}
        worker.slot = min(set(range(self.cfg.workers)) - taken)
        worker.heartbeat = self._heartbeats.heartbeat(worker.slot)
        worker.duplicates = ConnectionRevoker()

    def revoke_stuck(self, workers: Iterable[Worker]) -> None:
        """Free what waits behind a request that takes long: nginx asks another worker."""
        statuses, now = self._heartbeats.statuses(), time.monotonic()
        for worker in workers:
            worker.duplicates.take()
            status = statuses[worker.slot]
            if status.is_late(now, _LATE_SECONDS):
                worker.duplicates.shut(status.working)

    def _begin_worker(self, master: Parent, worker: Worker) -> None:
        for other in master.WORKERS.values():
            other.duplicates.close()
        die_with_parent(signal.SIGKILL)
        if os.getppid() != worker.ppid:
            os._exit(1)
        worker_index.set(worker.slot)
        worker.max_memory = self._spec.max_memory
        with contextlib.suppress(OSError):
            _OOM_SCORE.write_text(_WORKERS_SCORE)
        # Load and warm-up may take longer than a request; the platform has a limit of its own for them.
        os.utime(worker.tmp.fileno(), (_NEVER, _NEVER))

    def _warm_up(self, _worker: Worker) -> None:
        """Run the handler's warm-up, before the worker's first sign of life says that it has loaded."""
        if warm_up := getattr(self._application, "warm_up", None):
            self._run_before_requests(warm_up)
        if self._spec.behind_nginx and (documents := getattr(self._application, "documents", None)):
            made = self._run_before_requests(documents)
            write_documents(self._folder.documents, made)

    def _on_worker_exit(self, master: Parent, worker: Worker) -> None:
        """Note that a worker has ended; gunicorn starts another, which the slot is then for."""
        status = self._heartbeats.statuses()[worker.slot]
        worker.heartbeat.clear()
        worker.duplicates.end()
        if status.loaded:
            self._has_served, self._failed_starts = True, 0
        else:
            self.start_failed(master, "died before they had loaded the model")

    def start_failed(self, master: Parent, what: str) -> None:
        """Try again later where that may help, and end gunicorn where it does not.

        A model that no worker has loaded yet is not tried again. Raises HaltServer.
        """
        if not master.LISTENERS:
            return  # it is being stopped
        cause = failure_report.read(self._folder.cause)
        self._folder.cause.unlink(missing_ok=True)
        if time.monotonic() < master.hold_until:
            return  # started together with another that has failed and been counted
        self._failed_starts += 1
        served = self._has_served or any(status.loaded for status in self._heartbeats.statuses())
        if self._failed_starts < _MAX_FAILED_STARTS and (served or cause is None):
            delay = 2.0 ** (self._failed_starts - 1)
            master.hold_until = time.monotonic() + delay
            reason = cause.line if cause else what
            log.error("a worker could not be started, the next try is in %g s: %s", delay, reason)
            return
        if cause is None:
            cause = failure_report.describe(_cannot_start(f"{self._failed_starts} in a row {what}"))
        replace_private(self._folder.failure, cause.line)
        raise HaltServer(what, Arbiter.WORKER_BOOT_ERROR)


def _cannot_start(found: str) -> ModelLoadError:
    action = (
        "The log has the signal or exit code of each. Where it is SIGKILL, memory has run out: "
        f"set {Variables.workers.name} lower."
    )
    return ModelLoadError(Fault("workers", found, "processes that load it and live on", action))
