"""The model manager's process: its loop over signals, requests and the steps of models."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlberth import logs
from mlberth.contract.layout import MODEL_DIR
from mlberth.masking import secret_values
from mlberth.process.children import Child, reap
from mlberth.process.kernel import adopt_orphans
from mlberth.process.signals import STOP, SignalQueue
from mlberth_serve.control.commands import gunicorn_argv
from mlberth_serve.control.generation import Generation, Kind
from mlberth_serve.control.models.api import answer_operation, handle
from mlberth_serve.control.models.documents import write_documents
from mlberth_serve.control.models.door import Door
from mlberth_serve.control.models.fork_servers import ForkServer, ForkServers
from mlberth_serve.control.models.http import Answer, Exchange, Listener
from mlberth_serve.control.models.metrics import ModelMetrics
from mlberth_serve.control.models.model import Model
from mlberth_serve.control.models.packages import find_packages, packages_argv
from mlberth_serve.control.models.registry import Operation, Registry
from mlberth_serve.control.models.room import Room
from mlberth_serve.control.models.warm_modules import warm_framework
from mlberth_serve.settings import Settings
from mlberth_serve.shared.heartbeat import Heartbeats
from mlberth_serve.shared.launch_spec import LaunchSpec
from mlberth_serve.shared.metrics_memory import MetricsMemory
from mlberth_serve.shared.run_directory import GenerationDirectory
from mlberth_serve.usercode.locate import find_program
from mlberth_serve.variables import Variables

_BUSY_POLL = 0.005
_IDLE_POLL = 0.5
_END_SECONDS = 3600.0
"""The supervisor is stricter."""
_FORK_SERVERS_SECONDS = 2.0

log = logging.getLogger(__name__)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Manage the models of a server until a stop signal; returns the exit code."""
    folder = GenerationDirectory(Path(argv[0]))
    spec = LaunchSpec.read(folder.launch_spec)
    secrets = frozenset(secret_values(environ))
    logs.configure(spec.log_level, form=spec.log_format, droppable=True, secrets=secrets)
    settings = Settings.from_environ(environ)
    adopt_orphans()
    with SignalQueue((*STOP, signal.SIGQUIT, signal.SIGHUP)) as signals:
        return Manager(settings, folder, spec, environ, signals=signals, secrets=secrets).run()


class Manager:
    """Answers /models, and looks after the models' processes."""

    def __init__(
        self,
        settings: Settings,
        folder: GenerationDirectory,
        spec: LaunchSpec,
        environ: Mapping[str, str],
        *,
        signals: SignalQueue,
        secrets: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._spec, self._environ = settings, spec, environ
        self._run, self._signals, self._clock = folder.run, signals, clock
        self._heartbeat = Heartbeats(spec.heartbeats).heartbeat(0)
        self._forks = ForkServers(environ)
        self._door = Door(folder.run)
        self._registry = Registry(
            settings.layout.models, self._make, Room(), retire=self._retire, secrets=secrets, clock=clock
        )
        self._metrics = ModelMetrics(folder.run, settings.workers, clock) if settings.metrics else None
        self._waiting: list[tuple[Exchange, Operation]] = []
        self._generations = int(folder.path.name)
        write_documents(folder.documents, settings)
        self._listener = Listener(folder.socket)

    def run(self) -> int:
        """Serve until a signal ends it."""
        while True:
            turn = _BUSY_POLL if self._registry.is_busy else _IDLE_POLL
            arrived = self._signals.wait(turn, also=self._listener.descriptors)
            self._heartbeat.beat()
            reap(self._children)
            if any(number not in (signal.SIGCHLD, signal.SIGHUP) for number in arrived):
                return self._stop()
            if signal.SIGHUP in arrived:
                self._registry.request_reload()
            for exchange in self._listener.take():
                self._begin(exchange)
            self._registry.advance()
            self._answer()
            if self._metrics:
                self._metrics.refresh(self._registry)

    def _begin(self, exchange: Exchange) -> None:
        assert exchange.request is not None
        try:
            found = handle(exchange.request, self._registry, self._settings.workers)
        except Exception:
            log.exception("request %s failed", exchange.request.request_id)
            body = {
                "code": 500,
                "type": "InternalServerException",
                "message": "The server failed; its log says why.",
            }
            found = Answer(500, body)
        if isinstance(found, Operation):
            self._waiting.append((exchange, found))
        else:
            exchange.answer(found)

    def _answer(self) -> None:
        for pair in [pair for pair in self._waiting if pair[1].result is not None]:
            exchange, operation = pair
            exchange.answer(answer_operation(operation))
            self._waiting.remove(pair)

    @property
    def _children(self) -> list[Child]:
        return [*self._forks.children, *self._registry.children]

    def _stop(self) -> int:
        """End every model; nginx has no request in flight any more."""
        self._listener.close()
        self._registry.end()
        self._answer_those_left()
        deadline = self._clock() + _END_SECONDS
        while self._registry.models and self._clock() < deadline:
            self._signals.wait(_BUSY_POLL)
            reap(self._children)
            self._registry.advance()
        self._forks.close()
        deadline = self._clock() + _FORK_SERVERS_SECONDS
        while any(child.returncode is None for child in self._forks.children) and self._clock() < deadline:
            self._signals.wait(_BUSY_POLL)
            reap(self._forks.children)
        return 0

    def _answer_those_left(self) -> None:
        for exchange, operation in self._waiting:
            if operation.result is not None:
                exchange.answer(answer_operation(operation))

    def _make(self, name: str, url: str, folder: Path) -> Model:
        seconds = self._settings
        return Model(
            name,
            url,
            folder,
            self._door,
            self._start,
            load_seconds=seconds.reload_timeout,
            drain_seconds=seconds.timeout + 1,
            clock=self._clock,
        )

    def _retire(self, model: Model) -> None:
        if self._settings.stateful_sessions:  # they are memory, which an unload gives back
            shutil.rmtree(self._sessions(model), ignore_errors=True)
        if model.board:
            if self._metrics:
                self._metrics.retire(model.board)
            os.close(model.board.descriptor)

    def _sessions(self, model: Model) -> Path:
        """Return where the state of a model's sessions is; the default is private, and ends with the run."""
        return (self._settings.sessions_path or self._run.sessions) / model.name

    def _start(self, model: Model) -> Generation | None:
        """Start the processes of a model; None if a process that they are forked from is not ready yet."""
        environ = model_environ(self._environ, self._settings, model.folder, self._generations)
        if self._settings.stateful_sessions:
            environ[Variables.sessions_path.name] = str(self._sessions(model))
        settings = Settings.from_environ(environ)
        packages = find_packages(settings, self._run.packages)
        kind = Kind(model=model.name)
        if packages:
            kind = replace(
                kind,
                command=partial(gunicorn_argv, packages=packages),
                preparation=partial(packages_argv, target=packages),
            )
        else:
            server = self._forks.find(warm_framework(model.folder, find_program(settings)))
            if server is None:
                return None
            kind = replace(kind, spawn=_Fork(server, str(model.folder)))
        if model.board is None and self._metrics:
            model.board = MetricsMemory.create()
        self._generations += 1
        return Generation(
            self._run.generation(self._generations),
            settings,
            environ,
            preparing=packages is not None and not packages.exists(),
            behind_nginx=True,
            application=self._spec.application,
            board=model.board,
            kind=kind,
        )


@dataclass(frozen=True)
class _Fork:
    """Starts gunicorn by a fork, in the place of a new program."""

    server: ForkServer
    cwd: str

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int]) -> Child:
        return self.server.fork(Path(argv[-1]), argv, env=env, cwd=self.cwd, fds=pass_fds)


def model_environ(
    environ: Mapping[str, str], settings: Settings, folder: Path, number: int
) -> dict[str, str]:
    """Return the environment of one model's processes: as if it were the only one of a server.

    Code that is named as part of the one model of a server, as SDKs do, is that of this model. The models
    take the machine's GPUs in turn.
    """
    own: dict[str, Any] = {MODEL_DIR: str(folder), "SM_MODEL_DIR": str(folder)}
    named = settings.submit_directory
    if named and Path(named).is_relative_to(settings.layout.model):
        code = folder / Path(named).relative_to(settings.layout.model)
        own[Variables.submit_directory.name] = str(code) if code.is_dir() else ""
    if settings.gpus > 1:
        devices = (settings.visible_devices or ",".join(map(str, range(settings.gpus)))).split(",")
        first = number % settings.gpus
        own[Variables.visible_devices.name] = ",".join(devices[first : settings.gpus] + devices[:first])
    return {**environ, **own}
