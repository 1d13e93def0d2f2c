"""gunicorn's master: loads the model once, forks the workers, and tells the supervisor of them by files.

Importing the application loads the model. Where the load leaves threads or a GPU context behind,
which no forked child can use, the master starts itself afresh and each worker loads for itself.
"""

from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.util import import_app
from gunicorn.workers.base import Worker

from mlberth import logs
from mlberth.errors import Fault, ModelLoadError
from mlberth.linux import die_with_parent
from mlberth_serve import failure, variables
from mlberth_serve.ping import answer_ping
from mlberth_serve.place import worker_index
from mlberth_serve.run_directory import RunDirectory, write_private

LOAD_IN_WORKERS = "--load-in-workers"
_MOST_EARLY_DEATHS = 3
_FORKED_WITH_CARE = frozenset({"jemalloc_bg_thd"})
"""Threads that see to forks themselves: pyarrow's allocator has one, and scikit-learn imports pyarrow."""
_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_NEVER = 1e12
"""A heartbeat so far ahead that gunicorn's timeout never comes."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """Serve as the private folder says that is named first; returns the exit code."""
    run = RunDirectory(Path(argv[0]))
    command = json.loads(run.gunicorn.read_text())
    logs.configure(command["log_level"])
    application = None
    if LOAD_IN_WORKERS not in argv:
        try:
            application = load(command["application"])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the supervisor must hear of it
            return failure.record(run.failure, error).exit_code
        if reason := why_not_fork():
            log.info("%s after the model was loaded: each worker loads a model of its own", reason)
            os.execv(sys.executable, [*sys.orig_argv, LOAD_IN_WORKERS])  # noqa: S606 - ourselves, without a shell
    Master(run, command, application).run()
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
    """gunicorn's arbiter, whose workers miss no signal.

    A worker inherits the arbiter's handlers, which only queue, until it has set its own: a stop that
    comes in between would be lost, and the arbiter would wait its whole grace for that worker.
    """

    def spawn_worker(self) -> Any:
        """Fork a worker with the stop signals held back; it lets them in when it can act on them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        try:
            return super().spawn_worker()
        finally:
            let_stop_in()


def let_stop_in() -> None:
    """Deliver the stop signals that were held back, and those to come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)


class Master(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with our settings alone: no file, variable or argument of its own is read."""

    def __init__(self, run: RunDirectory, command: Mapping[str, Any], application: Any | None) -> None:
        self._run = run
        self._command = command
        self._application = application
        self._early_deaths = 0
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings and hooks."""
        hooks: dict[str, Callable[..., None]] = {
            "pre_fork": self._number_worker,
            "post_fork": self._begin_worker,
            "post_worker_init": self._finish_worker,
            "child_exit": self._tell_gone,
        }
        for name, value in (self._command["settings"] | hooks).items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal ends it."""
        Parent(self).run()

    def load(self) -> Any:
        """Return the application; a worker calls this, and loads it where the master has not."""
        if self._application is None:
            self._application = self._load_in_worker()
        let_stop_in()
        if self._command["behind_nginx"]:
            return self._application
        return answer_ping(self._application, self._run.state)

    def _load_in_worker(self) -> Any:
        return self._run_before_requests(lambda: load(self._command["application"]))

    def _run_before_requests(self, step: Callable[[], Any]) -> Any:
        # There is no request to finish yet: a stop ends the worker at once, even inside C code.
        graceful = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        let_stop_in()
        try:
            return step()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as in main
            failure.record(self._run.failure, error)
            # gunicorn's master ends itself, rather than start another worker, at this code.
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        finally:
            signal.signal(signal.SIGTERM, graceful)

    def _number_worker(self, master: Arbiter, worker: Worker) -> None:
        """Give a worker the lowest number that no other has, so that a successor takes its place."""
        taken = {other.number for other in master.WORKERS.values()}
        worker.number = next(number for number in itertools.count() if number not in taken)

    def _begin_worker(self, _master: Arbiter, worker: Worker) -> None:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != worker.ppid:
            os._exit(1)
        worker_index.set(worker.number)
        # Load and warm-up may take longer than a request; the platform has a limit of its own for them.
        os.utime(worker.tmp.fileno(), (_NEVER, _NEVER))

    def _finish_worker(self, worker: Worker) -> None:
        if warm_up := getattr(self._application, "warm_up", None):
            self._run_before_requests(warm_up)
        worker.notify()
        write_private(self._run.workers / str(worker.pid), "")

    def _tell_gone(self, master: Arbiter, worker: Worker) -> None:
        loaded = self._run.workers / str(worker.pid)
        if loaded.exists():
            loaded.unlink()
            self._early_deaths = 0
            return
        self._early_deaths += 1
        if self._early_deaths == _MOST_EARLY_DEATHS:
            found = f"{self._early_deaths} in a row died before they had loaded the model"
            action = (
                "The log has the signal or exit code of each. Where it is SIGKILL, memory has run out: "
                f"set {variables.WORKERS.name} lower."
            )
            expected = "processes that load it and live on"
            failure.record(self._run.failure, ModelLoadError(Fault("workers", found, expected, action)))
            if master.LISTENERS:  # it has none while it is being stopped
                raise HaltServer(found, Arbiter.WORKER_BOOT_ERROR)
