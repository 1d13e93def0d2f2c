"""gunicorn, with our settings alone and the application loaded before it forks; the process begins here.

If the load leaves threads or a GPU context behind, which no forked child can use, the process starts
itself afresh, and each worker loads an application of its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gunicorn.app.base import BaseApplication

from mlberth import logs
from mlberth.log_outlet import DROPS
from mlberth.masking import secret_values
from mlberth.process.kernel import die_with_parent
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
from mlberth_serve.shared.server_state import STOPPING
from mlberth_serve.worker.arbiter import Arbiter, let_stop_in
from mlberth_serve.worker.gunicorn_logger import LOGGER
from mlberth_serve.worker.http.local_routes import serve_metrics, serve_ping
from mlberth_serve.worker.http.static_documents import write_documents
from mlberth_serve.worker.instrumentation import Dispatcher, Instrumented
from mlberth_serve.worker.preload import load, why_not_fork
from mlberth_serve.worker.standard_streams import StandardStreams
from mlberth_serve.worker.worker import Worker

LOAD_IN_WORKERS = "--load-in-workers"
PYTHON_WARNINGS = "py.warnings"
"""The logger of Python's warnings, once they are captured."""
_NEVER = 1e12
"""A heartbeat so far ahead that gunicorn's timeout never comes."""

_OOM_SCORE = Path("/proc/self/oom_score_adj")
_WORKERS_SCORE = "500"
"""If memory runs out, the kernel is to take a worker: it is replaced, the arbiter takes all along."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve as the private folder says that is named first; returns the exit code."""
    secrets = frozenset(secret_values(environ))
    folder = GenerationDirectory(Path(argv[0]))
    spec = LaunchSpec.read(folder.launch_spec)
    streams = StandardStreams(spec.log_format)
    more = (LOGGER, HANDLER_LOGGER, PYTHON_WARNINGS)
    # Libraries warn on standard error, in two lines of a form of their own.
    logging.captureWarnings(spec.log_format == logs.JSON)
    logs.configure(
        spec.log_level,
        streams.make_log_stream(),
        form=spec.log_format,
        more=more,
        fields=partial(describe_request, spec.model),
        droppable=True,
        secrets=secrets,
        unclaimed=True,  # a handler's `logging.info`, which the peers' servers show as well
        label=spec.model,
    )
    loaded, began = None, time.monotonic()
    if LOAD_IN_WORKERS not in argv:
        try:
            loaded = Loaded(load(spec.application), time.monotonic() - began)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
            return failure_report.record(folder.failure, error, secrets).exit_code
        signal.alarm(0)  # a limit that the user's code has set for its load would end the arbiter later
        streams.restore()
        if reason := why_not_fork():
            log.info("%s after the model was loaded: each worker loads a model of its own", reason)
            streams.give_back()
            os.execv(sys.executable, [*sys.orig_argv, LOAD_IN_WORKERS])  # noqa: S606 - ourselves, without a shell
    GunicornApp(folder, spec, streams, loaded, secrets).run()
    return 0


class Loaded(NamedTuple):
    """An application, and how many seconds its load took."""

    application: Any
    seconds: float


class GunicornApp(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's view of the application: no file, variable or argument of gunicorn's own is read."""

    predictions: Instrumented | None
    """The way from a worker to the application's predictions, without WSGI; set by `load`.

    None if the application is the user's own WSGI callable.
    """

    def __init__(
        self,
        folder: GenerationDirectory,
        spec: LaunchSpec,
        streams: StandardStreams,
        loaded: Loaded | None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self._folder = folder
        self._secrets = secrets
        self._spec = spec
        self._streams = streams
        self._loaded = loaded
        self.predictions = None
        super().__init__()  # last: it asks for the settings

    def load_config(self) -> None:
        """Give gunicorn its settings and hooks."""
        hooks: dict[str, Callable[..., None]] = {
            "pre_fork": Arbiter.assign_slot,
            "post_fork": self._begin_worker,
            "post_worker_init": self._warm_up,
            "worker_exit": self._end_worker,
            "child_exit": Arbiter.note_exit,
        }
        for name, value in (self._spec.gunicorn | hooks).items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal ends it."""
        marker = Path(self._spec.out_of_memory)
        Arbiter(self, self._folder, Heartbeats(self._spec.heartbeats), marker).run()

    def load(self) -> Any:
        """Return the application; a worker calls this, and loads it if the arbiter has not."""
        if self._loaded is None:
            began = time.monotonic()
            self._loaded = Loaded(self._load_in_worker(), time.monotonic() - began)
        application, load_seconds = self._loaded
        self._streams.restore()
        let_stop_in()  # held back since the fork; by now gunicorn's handlers can act on them
        behind_nginx, logged = self._spec.behind_nginx, self._spec.access_log
        recorder = self._make_recorder(load_seconds)
        instrumented = Instrumented(
            application,
            recorder,
            behind_nginx=behind_nginx,
            # Behind nginx it is nginx that writes the access log.
            access_log=self._make_access_log() if logged and not behind_nginx else None,
        )
        if isinstance(application, Dispatcher):
            self.predictions = instrumented
        if capture := getattr(application, "capture", None):
            capture.start(recorder.count_captured)
        if adapters := getattr(application, "adapters", None):
            adapters.start(self._folder.run.adapters)
        if behind_nginx:
            return instrumented
        run = self._folder.run
        counted = serve_metrics(instrumented, run.metrics) if self._spec.metrics is not None else instrumented
        return serve_ping(counted, run.state)

    def _make_access_log(self) -> AccessLog:
        return AccessLog(self._spec.log_format, self._streams.stdout)

    def _make_recorder(self, load_seconds: float) -> Recorder:
        """Return this worker's recorder; if nobody reads it, it writes into memory of its own."""
        board = self._spec.metrics
        recorder = Recorder(bytearray(PAGE_BYTES) if board is None else MetricsMemory(board).take_page())
        recorder.begin_worker(load_seconds)
        DROPS.tell = recorder.drop_lines
        return recorder

    def _load_in_worker(self) -> Any:
        return self._run_before_requests(lambda: load(self._spec.application))

    def _run_before_requests(self, step: Callable[[], Any]) -> Any:
        # There is no request to finish yet: a stop ends the worker at once, even inside C code.
        graceful = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        let_stop_in()
        try:
            return step()
        except BaseException as error:  # noqa: BLE001 - as in main
            cause = failure_report.describe(error, self._secrets)
            with contextlib.suppress(OSError):  # a disk that is full: the log has it, and the exit code
                replace_private(self._folder.cause, cause.line)
            raise SystemExit(cause.exit_code) from None
        finally:
            signal.signal(signal.SIGTERM, graceful)

    def _begin_worker(self, arbiter: Arbiter, worker: Worker) -> None:
        """Become a worker, in the child, before anything of the user's runs in it."""
        for other in arbiter.WORKERS.values():  # else their connections would stay open with this process
            other.revoker.close()
            other.stack.close()
        die_with_parent(signal.SIGKILL)
        if os.getppid() != worker.ppid:  # the arbiter ended before we asked to be told
            os._exit(1)
        worker_index.set(worker.slot)
        worker.request_timeout = self._spec.timeout
        worker.is_leaving = (self._folder.run.state / STOPPING).exists
        worker.max_memory = self._spec.max_memory
        worker.streams = self._streams
        with contextlib.suppress(OSError):
            _OOM_SCORE.write_text(_WORKERS_SCORE)
        # Load and warm-up may take longer than a request; the platform has a limit of its own for them.
        os.utime(worker.tmp.fileno(), (_NEVER, _NEVER))

    def _end_worker(self, arbiter: Arbiter, worker: Worker) -> None:  # noqa: ARG002 - gunicorn's hook
        """Write what a worker that ends in order still has to write."""
        if self._loaded and (capture := getattr(self._loaded.application, "capture", None)):
            capture.close()

    def _warm_up(self, worker: Worker) -> None:
        """Run the handler's warm-up, before the worker's first sign of life says that it has loaded."""
        assert self._loaded is not None
        application = self._loaded.application
        if warm_up := getattr(application, "warm_up", None):
            self._run_before_requests(warm_up)
        if self._spec.behind_nginx and (documents := getattr(application, "documents", None)):
            made = self._run_before_requests(documents)
            write_documents(self._folder.documents, made)
        self._streams.restore()
        worker.init_signals()  # whatever the user's code has made of them
