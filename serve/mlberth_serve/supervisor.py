"""The supervisor: starts nginx and gunicorn, watches both, and stops them in order."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from subprocess import Popen

from mlberth import logs
from mlberth.children import exit_code, reap, start
from mlberth.descendants import end_descendants
from mlberth.errors import DependencyError, Fault, MlberthError, PlatformError
from mlberth.linux import adopt_orphans
from mlberth.signals import STOP, SignalQueue
from mlberth_serve import failure, variables
from mlberth_serve.gunicorn_command import (
    APPLICATION,
    IGNORED,
    gunicorn_argv,
    gunicorn_environment,
    write_command,
)
from mlberth_serve.nginx import check_own_conf, lay_out, nginx_argv
from mlberth_serve.port import check_port, listen_address
from mlberth_serve.preparation import needs_preparation, preparation_argv, prepared_environment
from mlberth_serve.readiness import LOADING, READY, STOPPING, Readiness, assess
from mlberth_serve.run_directory import RunDirectory
from mlberth_serve.settings import Settings

NGINX = "nginx"
GUNICORN = "gunicorn"
_LOADING_POLL = 0.02
_POLL = 0.5
_GUNICORN_STOP_SECONDS = 2.0
"""What gunicorn needs of the grace when nginx has drained: no request is left then."""
_POLITE_SECONDS = 1.0
_WITHOUT_NGINX = (
    "%s: gunicorn answers alone. That costs: no port before the model is loaded, /ping waits behind "
    "predictions, a slow client holds a worker, and a stop drops requests that wait for one"
)

log = logging.getLogger(__name__)


def serve(
    environ: Mapping[str, str], *, application: str = APPLICATION, clock: Callable[[], float] = time.monotonic
) -> int:
    """Serve until a stop signal comes or a child ends unasked; returns the exit code.

    Raises MlberthError for what is wrong before anything has started.
    """
    began = clock()
    settings = Settings.from_environ(environ)
    logs.configure(settings.log_level)
    check_installed()
    check_port(settings)
    preparing = needs_preparation(settings)
    nginx = find_nginx(settings, environ)
    if ignored := [name for name in IGNORED if name in environ]:
        log.warning("%s: ignored; gunicorn's settings are made from SAGEMAKER_* alone", ", ".join(ignored))
    # SIGQUIT is a stop like the others: whoever sends it wants an end, not a core file.
    with SignalQueue((*STOP, signal.SIGQUIT)) as signals:
        adopt_orphans()
        run = RunDirectory.create()
        try:
            write_command(settings, run, behind_nginx=nginx is not None, application=application)
            prepared = prepared_environment(environ, settings, run)
            stages = [Stage(GUNICORN, gunicorn_argv(run), gunicorn_environment(prepared))]
            if preparing:
                stages.insert(0, Stage("preparation", preparation_argv(run), environ))
            supervisor = Supervisor(settings, run, signals, stages, began=began, clock=clock)
            if nginx:
                supervisor.start_nginx(nginx, environ)
            return supervisor.watch()
        finally:
            end_descendants([], signals, polite_seconds=0)  # none are left, unless a bug brought us here
            run.remove()


def find_nginx(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Return nginx's path; None, with a line in the log, where gunicorn is to answer by itself."""
    if not settings.use_nginx:
        log.info(_WITHOUT_NGINX, f"{variables.USE_NGINX.name} is false")
        return None
    nginx = which("nginx", path=environ.get("PATH"))
    if nginx is None:
        log.warning(_WITHOUT_NGINX, "nginx is not on PATH")
    return nginx


def check_installed() -> None:
    """Raise DependencyError where the packages that serve are not there."""
    missing = [name for name in ("flask", "gunicorn", "numpy", "orjson") if find_spec(name) is None]
    if missing:
        found = f"no {', no '.join(missing)} for {sys.executable}"
        action = 'Install them with: pip install "mlberth[serve]"'
        raise DependencyError(Fault("serve", found, "the packages of the extra `serve`", action))


@dataclass(frozen=True)
class Stage:
    """A child that is started when the one before it has ended well; the last is to live on."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]


class Supervisor:
    """nginx, and one stage after the other beside it; every child is ended before `watch` returns."""

    def __init__(
        self,
        settings: Settings,
        run: RunDirectory,
        signals: SignalQueue,
        stages: Sequence[Stage],
        *,
        began: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._run = run
        self._signals = signals
        self._stages = list(stages)
        self._began = began
        self._clock = clock
        self._children: dict[str, Popen[bytes]] = {}
        self._readiness = Readiness(run.state)
        self._readiness.change(LOADING)

    def start_nginx(self, executable: str, environ: Mapping[str, str]) -> None:
        """Start nginx in its private folder; raises ContractError for a nginx.conf that does not do."""
        lay_out(self._run, self._settings, as_root=os.geteuid() == 0)
        argv = nginx_argv(executable, self._run)
        check_own_conf(argv, self._run, self._settings)
        log.debug("starting nginx: %s", argv)
        # A death signal of KILL would leave nginx's workers, which get none, to answer on.
        self._children[NGINX] = start(argv, env=environ, cwd=self._run.path, death_signal=signal.SIGTERM)

    def watch(self) -> int:
        """Keep /ping true until there is a reason to end; end everything and return the exit code."""
        stage = self._start_stage()
        while True:
            arrived = self._signals.wait(_POLL if self._readiness.state == READY else _LOADING_POLL)
            self._reap()
            if any(number != signal.SIGCHLD for number in arrived):
                return self._stop()
            if self._stages and self._children[stage].returncode == 0:
                del self._children[stage]
                stage = self._start_stage()
            gone = [name for name, child in self._children.items() if child.returncode is not None]
            if gone or self._run.failure.exists():
                return self._fail(gone)
            self._refresh()

    def _start_stage(self) -> str:
        stage = self._stages.pop(0)
        log.debug("starting %s: %s", stage.name, stage.argv)
        self._children[stage.name] = start(stage.argv, env=stage.env)
        return stage.name

    def _refresh(self) -> None:
        loaded = sum(1 for _ in self._run.workers.iterdir())
        if not self._readiness.change(assess(loaded, self._readiness.state)):
            return
        if self._readiness.state == READY:
            address, seconds = listen_address(self._settings), self._clock() - self._began
            log.info("ready on %s, %.2f s after the start", address, seconds)
        else:
            log.error("%s: no worker is left that has loaded the model", self._readiness.state)

    def _stop(self) -> int:
        """End in the order that loses no request: not ready, nginx, gunicorn, what is left."""
        asked = self._clock()
        deadline = asked + self._settings.stop_grace
        self._readiness.change(STOPPING)
        log.info("stopping")
        self._serve_on_until(asked + self._settings.stop_delay)
        nginx = self._children.get(NGINX)
        if nginx:
            reserve = min(_GUNICORN_STOP_SECONDS, self._settings.stop_grace / 2)
            self._end(nginx, signal.SIGQUIT, deadline - reserve)
            if nginx.returncode is None:
                log.warning("requests were still in work when the grace was over; they are cut off")
                self._end(nginx, signal.SIGTERM, self._clock() + reserve / 2)
        for child in self._children.values():
            self._end(child, signal.SIGTERM, deadline)
        if killed := end_descendants(self._children.values(), self._signals, polite_seconds=0):
            log.warning("killed %d processes that had not ended within the grace", killed)
        log.info("stopped after %.2f s", self._clock() - asked)
        return 0

    def _serve_on_until(self, deadline: float) -> None:
        """Go on serving; a second stop signal, or a child's end, shortens it."""
        while (left := deadline - self._clock()) > 0:
            arrived = self._signals.wait(left)
            self._reap()
            gone = any(child.returncode is not None for child in self._children.values())
            if gone or any(number != signal.SIGCHLD for number in arrived):
                return

    def _end(self, child: Popen[bytes], number: signal.Signals, deadline: float) -> None:
        """Signal a child, not its group: nginx and gunicorn tell their workers, each in its own way."""
        if child.returncode is None:
            child.send_signal(number)

        def ended() -> bool:
            self._reap()
            return child.returncode is not None

        self._signals.wait_for(ended, deadline - self._clock())

    def _fail(self, gone: Sequence[str]) -> int:
        """End what is left, at once, and tell why in one line of JSON; returns the exit code."""
        self._readiness.change(STOPPING)
        end_descendants(self._children.values(), self._signals, polite_seconds=_POLITE_SECONDS)
        cause = failure.read(self._run.failure) or self._why_gone(gone[0])
        sys.stderr.write(cause.line + "\n")
        sys.stderr.flush()
        return cause.exit_code

    def _why_gone(self, name: str) -> failure.Failure:
        """Explain the end of a child that nobody asked to end."""
        try:  # somebody may have taken the port between our look at it and the child's
            check_port(self._settings)
        except MlberthError as error:
            return failure.describe(error)
        returncode = self._children[name].returncode
        code = exit_code(returncode)
        found = f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {code}"
        fault = Fault(name, found, "a process that lives as long as the server", "Its last words are above.")
        return failure.Failure(failure.describe(PlatformError(fault)).line, code or PlatformError.exit_code)

    def _reap(self) -> None:
        reap(self._children.values())
