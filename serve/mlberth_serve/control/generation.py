"""One gunicorn with its model and its workers, or the model manager: started in stages, watched, ended."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlberth.errors import Fault, PlatformError
from mlberth.process.children import Child, exit_code, signal_group, start
from mlberth_serve.control.commands import gunicorn_argv, gunicorn_environment, launch_spec, manager_argv
from mlberth_serve.control.install_code import preparation_argv, prepared_environment
from mlberth_serve.settings import Settings
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.heartbeat import Heartbeats
from mlberth_serve.shared.metrics_memory import MetricsMemory
from mlberth_serve.shared.run_directory import GenerationDirectory

GUNICORN = "gunicorn"
_LATE_SECONDS = 2.0
"""How long after its timeout a request's worker still counts as alive: it is being replaced."""

log = logging.getLogger(__name__)


class Spawn(Protocol):
    """How the last stage is started."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int]) -> Child:
        """Start it with these descriptors under their numbers; raise OSError if it cannot be."""


@dataclass(frozen=True)
class Kind:
    """The processes that a generation is made of."""

    command: Callable[[GenerationDirectory], Sequence[str]] = gunicorn_argv
    preparation: Callable[[GenerationDirectory], Sequence[str]] = preparation_argv
    spawn: Spawn = start
    slots: int | None = None
    """How many processes give signs of life; None is the number of workers."""
    model: str = ""
    """The name of the model, if there are several."""


GUNICORN_KIND = Kind()
MANAGER_KIND = Kind(command=manager_argv, slots=1)
"""The model manager, in gunicorn's place, if there are several models."""


@dataclass(frozen=True)
class Stage:
    """A child that is started when the one before it has ended well; the last is to live on."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]


class Generation:
    """The stages of one gunicorn; `child` is the one that runs, or the one that has ended badly."""

    def __init__(
        self,
        folder: GenerationDirectory,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        preparing: bool,
        behind_nginx: bool,
        application: str,
        board: MetricsMemory | None,
        kind: Kind = GUNICORN_KIND,
    ) -> None:
        self.folder = folder
        self._settings = settings
        self._kind = kind
        self._heartbeats = Heartbeats.create(kind.slots or settings.workers)
        self._cannot_start: failure_report.Failure | None = None
        self._shared = [self._heartbeats.descriptor, *([board.descriptor] if board else [])]
        try:
            folder.path.mkdir(mode=0o700)
            spec = launch_spec(
                settings,
                folder,
                behind_nginx=behind_nginx,
                heartbeats=self._heartbeats.descriptor,
                metrics=board.descriptor if board else None,
                application=application,
                model=kind.model,
            )
            spec.write(folder.launch_spec)
            prepared = prepared_environment(environ, settings, folder)
            self._stages = [Stage(GUNICORN, kind.command(folder), gunicorn_environment(prepared))]
            if preparing:
                self._stages.insert(0, Stage("preparation", kind.preparation(folder), environ))
            self._name, self.child = self._start_stage()
        except BaseException:  # a reload on a disk that is full, say, leaves nothing open
            self._heartbeats.close()
            raise

    def advance(self) -> None:
        """Start the next stage if the one before has ended well."""
        if self._stages and self.child.returncode == 0:
            try:
                self._name, self.child = self._start_stage()
            except OSError as error:  # no process can be made: `child` stays what has ended
                fault = Fault(GUNICORN, str(error.strerror), "a process that can be started")
                self._cannot_start = failure_report.describe(PlatformError(fault))

    def _start_stage(self) -> tuple[str, Child]:
        stage = self._stages.pop(0)
        log.debug("starting %s: %s", stage.name, stage.argv)
        if self._stages:
            return stage.name, start(stage.argv, env=stage.env)
        child = self._kind.spawn(stage.argv, env=stage.env, pass_fds=self._shared)
        self._heartbeats.close()
        return stage.name, child

    @property
    def stage(self) -> str:
        """The name of the stage that runs."""
        return self._name

    @property
    def has_failed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self.child.returncode is not None or failure_report.read(self.folder.failure) is not None

    def cause(self) -> failure_report.Failure:
        """Return why it has failed."""
        cause = self._cannot_start or failure_report.read(self.folder.failure)
        return cause or why_gone(self._name, self.child.returncode)

    def living_workers(self, now: float) -> int:
        """Return how many workers have loaded the model and have given a sign of life in time."""
        limit = self._settings.timeout + _LATE_SECONDS
        return sum(status.is_alive(now, limit) for status in self._heartbeats.statuses())

    def is_complete(self) -> bool:
        """Return whether every worker has loaded the model."""
        return all(status.loaded for status in self._heartbeats.statuses())

    def end(self) -> None:
        """Let its workers answer what they have, and end."""
        self._begin_no_stage()
        if self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, whatever it is at."""
        self._begin_no_stage()
        signal_group(self.child, signal.SIGKILL)

    def _begin_no_stage(self) -> None:
        if self._stages:
            self._stages.clear()
            self._heartbeats.close()


def why_gone(name: str, returncode: int) -> failure_report.Failure:
    """Explain the end of a child that nobody asked to end."""
    code = exit_code(returncode)
    found = f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {code}"
    fault = Fault(name, found, "a process that lives as long as the server", "Its last words are above.")
    return failure_report.Failure(
        failure_report.describe(PlatformError(fault)).line, code or PlatformError.exit_code
    )
