"""The supervisor: starts nginx and gunicorn, watches both, and stops them in order."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from mlberth import logs
from mlberth.contract.near_misses import near_variables
from mlberth.envvars import is_set
from mlberth.errors import Fault, MlberthError, PlatformError
from mlberth.log_outlet import hold_standard_streams
from mlberth.masking import secret_values
from mlberth.process.children import Child, reap
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans, use_batch_scheduling
from mlberth.process.signals import ONE_PRESS_SECONDS, STOP, SignalQueue
from mlberth_serve.control.commands import APPLICATION, IGNORED
from mlberth_serve.control.generation import GUNICORN_KIND, MANAGER_KIND, Generation, why_gone
from mlberth_serve.control.install_code import needs_preparation
from mlberth_serve.control.loading_watch import LoadingWatch
from mlberth_serve.control.metrics.exporter import Exporter
from mlberth_serve.control.metrics.waiting_requests import waiting_at_port, waiting_at_sockets
from mlberth_serve.control.nginx import error_log
from mlberth_serve.control.nginx.process import NginxProcess
from mlberth_serve.control.nginx.tls import Certificate
from mlberth_serve.control.preflight import check_installed, check_port, find_nginx
from mlberth_serve.control.readiness import Readiness, assess
from mlberth_serve.control.reload import Reloader
from mlberth_serve.control.socket_watch import SocketWatch
from mlberth_serve.safe_models import check_path
from mlberth_serve.settings import Settings
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.metrics_memory import MetricsMemory
from mlberth_serve.shared.run_directory import RunDirectory
from mlberth_serve.shared.server_state import LOADING, READY, STOPPING, WEDGED
from mlberth_serve.variables import ALL

NGINX = "nginx"
_LOADING_POLL = _LOGGING_POLL = 0.02
_POLL = 0.5
_GUNICORN_STOP_SECONDS = 2.0
"""What gunicorn needs of the grace when nginx has drained: no request is left then."""
_POLITE_SECONDS = 1.0
_CUT_OFF_SECONDS = 2.0
"""For which nobody may listen where nginx sends predictions, while gunicorn lives."""
_CUT_OFF = Fault("gunicorn.sock", "no socket at which anybody listens", "the one that gunicorn has made")

log = logging.getLogger(__name__)


def serve(
    environ: Mapping[str, str], *, application: str = APPLICATION, clock: Callable[[], float] = time.monotonic
) -> int:
    """Serve until a stop signal comes or a child ends unasked; returns the exit code.

    Raises MlberthError for what is wrong before anything has started.
    """
    began = clock()
    hold_standard_streams()
    settings = Settings.from_environ(environ)
    logs.configure(
        settings.log_level,
        form=settings.log_format,
        more=(error_log.LOGGER,),
        droppable=True,
        secrets=secret_values(environ),
    )
    if settings.safe_models_only:
        check_path(settings.layout)
    check_installed(settings)
    check_port(settings)
    needs_preparation(settings)  # for what it raises
    certificate = Certificate(settings.tls) if settings.tls else None
    nginx = find_nginx(settings, environ)
    if ignored := [name for name in IGNORED if is_set(environ, name)]:
        log.warning("%s: ignored; gunicorn's settings are made from SAGEMAKER_* alone", ", ".join(ignored))
    for doubt in near_variables(environ, ALL):
        log.warning(doubt)
    # SIGQUIT is a stop like the others: whoever sends it wants an end, not a core file.
    with SignalQueue((*STOP, signal.SIGQUIT, signal.SIGHUP)) as signals:
        adopt_orphans()
        use_batch_scheduling()
        run = RunDirectory.create()
        try:
            try:
                supervisor = Supervisor(
                    settings, run, signals, environ, application, began=began, clock=clock
                )
                if nginx:
                    supervisor.start_nginx(nginx, certificate)
                supervisor.begin()
            except OSError as error:  # a disk that is full, or no process that can be made
                where = str(error.filename2 or error.filename or run.path)
                fault = Fault(where, str(error.strerror), "room for the server's files and processes")
                raise PlatformError(fault) from error
            return supervisor.watch()
        finally:
            end_descendants([], signals, polite_seconds=0)  # none are left, unless a bug brought us here
            run.remove()


class Supervisor:
    """nginx and the gunicorn behind it; every child is ended before `watch` returns."""

    def __init__(
        self,
        settings: Settings,
        run: RunDirectory,
        signals: SignalQueue,
        environ: Mapping[str, str],
        application: str,
        *,
        began: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._run = run
        self._signals = signals
        self._environ = environ
        self._application = application
        self._began = began
        self._clock = clock
        self._nginx: NginxProcess | None = None
        self._socket = SocketWatch(run.socket, clock)
        self._reachable = True
        self._stop_began = 0.0
        self._insisted = False
        self._loading = LoadingWatch(clock)
        self._readiness = Readiness(run.state)
        self._readiness.change(LOADING)
        # The pages of several models are the model manager's, and so is the page that is made of them.
        own_metrics = settings.metrics and not settings.multi_model
        self._board = MetricsMemory.create() if own_metrics else None
        self._exporter = (
            Exporter(run, self._board, settings.workers, self._count_waiting, clock) if self._board else None
        )

    def start_nginx(self, executable: str, certificate: Certificate | None) -> None:
        """Start nginx in its private folder; raises ContractError for a nginx.conf that does not do.

        A certificate that changes later is given to nginx without an interruption.
        """
        self._nginx = NginxProcess(executable, self._run, self._settings, self._environ, certificate)

    def begin(self) -> None:
        """Start the first gunicorn, or what is to be done before it."""
        limit = self._settings.reload_timeout
        self._gunicorns = Reloader(self._run, self._begin, limit, self._clock)

    def watch(self) -> int:
        """Keep /ping true until there is a reason to end; end everything and return the exit code."""
        while True:
            steady = self._readiness.state == READY and not self._gunicorns.is_changing
            arrived = self._signals.wait(self._turn if steady else _LOADING_POLL)
            self._reap()
            if asks_to_stop(arrived):
                return self._stop()
            if signal.SIGHUP in arrived:
                self._request_reload()
            ready = self._readiness.state != LOADING
            self._gunicorns.advance(ready=ready)
            self._loading.look(self._gunicorns.loading_stage(ready=ready))
            if self._gunicorns.serving.has_failed or self._nginx_has_ended or self._is_cut_off():
                return self._fail()
            if self._nginx:
                self._nginx.look_after()
            self._refresh()
            if self._nginx and self._readiness.state != LOADING:
                self._nginx.renew_certificate()

    def _begin(self, number: int) -> Generation:
        return Generation(
            self._run.generation(number),
            self._settings,
            self._environ,
            preparing=needs_preparation(self._settings),
            behind_nginx=self._nginx is not None,
            application=self._application,
            board=self._board,
            kind=MANAGER_KIND if self._settings.multi_model else GUNICORN_KIND,
        )

    def _request_reload(self) -> None:
        if self._settings.multi_model:
            self._gunicorns.serving.child.send_signal(signal.SIGHUP)  # it reloads one model after the other
        elif self._nginx:
            self._gunicorns.request_reload()
        else:
            log.warning("SIGHUP: nothing is reloaded; only nginx can pass requests on to another gunicorn")

    def _is_cut_off(self) -> bool:
        """Return whether nobody has listened for long where nginx sends predictions, though workers live.

        gunicorn may be ending; then it is waited for. Meanwhile nothing is ready.
        """
        self._reachable = True
        if self._nginx and self._readiness.state in (READY, WEDGED):
            seconds = self._socket.seconds_gone()
            self._reachable = seconds is None
            return seconds is not None and seconds > _CUT_OFF_SECONDS
        return False

    def _refresh(self) -> None:
        living = self._gunicorns.serving.living_workers(self._clock()) if self._reachable else 0
        changed = self._readiness.change(assess(living, self._readiness.state))
        if self._exporter:
            self._exporter.refresh(living)
        if not changed:
            return
        if self._readiness.state == READY:
            address, seconds = self._settings.listen_address, self._clock() - self._began
            log.info("ready on %s, %.2f s after the start", address, seconds)
        else:
            log.error("%s: no worker that has loaded the model gives a sign of life", self._readiness.state)

    def _count_waiting(self) -> int | None:
        return waiting_at_sockets(self._run.path) if self._nginx else waiting_at_port(self._settings.port)

    def _stop(self) -> int:
        """End in the order that loses no request: not ready, nginx, gunicorn, what is left."""
        self._stop_began = self._clock()
        deadline = self._stop_began + self._settings.stop_grace
        self._readiness.change(STOPPING)
        log.info("stopping, in %g s at most; a second Ctrl-C kills", self._settings.stop_grace)
        self._serve_on_until(self._stop_began + self._settings.stop_delay)
        if self._nginx:
            nginx = self._nginx.child
            reserve = min(_GUNICORN_STOP_SECONDS, self._settings.stop_grace / 2)
            self._end(nginx, signal.SIGQUIT, deadline - reserve)
            if nginx.returncode is None:
                when = "at a second Ctrl-C" if self._insisted else "when the grace was over"
                log.warning("requests were still in work %s; they are cut off", when)
                self._end(nginx, signal.SIGTERM, self._clock() + reserve / 2)
        for child in self._gunicorns.children:
            self._end(child, signal.SIGTERM, deadline)
        if killed := end_descendants(self._children, self._signals, polite_seconds=0):
            log.warning("killed %d processes that had not ended by then", killed)
        log.info("stopped after %.2f s", self._clock() - self._stop_began)
        return 0

    def _serve_on_until(self, deadline: float) -> None:
        """Go on serving; a second stop signal, or a child's end, shortens it."""
        while (left := deadline - self._clock()) > 0:
            arrived = self._wait_in_stop(left)
            if asks_to_stop(arrived) or any(child.returncode is not None for child in self._children):
                return

    def _end(self, child: Child, number: signal.Signals, deadline: float) -> None:
        """Signal a child, not its group: nginx and gunicorn tell their workers, each in its own way."""
        if child.returncode is None:
            child.send_signal(number)

        self._reap()
        while child.returncode is None and not self._insisted and (left := deadline - self._clock()) > 0:
            self._wait_in_stop(left)

    def _wait_in_stop(self, left: float) -> list[signal.Signals]:
        """Wait for signals and collect children; a second Ctrl-C leaves no time to anything."""
        arrived = self._signals.wait(min(left, self._turn))
        if signal.SIGINT in arrived and self._clock() - self._stop_began > ONE_PRESS_SECONDS:
            self._insisted = True
        self._reap()
        return arrived

    def _fail(self) -> int:
        """End what is left, at once, and tell why in the log's last record; returns the exit code."""
        nginx_ended = self._nginx_has_ended
        self._readiness.change(STOPPING)
        end_descendants(self._children, self._signals, polite_seconds=_POLITE_SECONDS)
        cause = self._why_failed(nginx_ended=nginx_ended)
        self._reap()  # and say first what nginx has said
        failure_report.tell(cause)
        return cause.exit_code

    def _why_failed(self, *, nginx_ended: bool) -> failure_report.Failure:
        reason = failure_report.read(self._gunicorns.serving.folder.failure)
        if reason:
            return reason
        try:  # somebody may have taken the port between our look at it and the child's
            check_port(self._settings)
        except MlberthError as error:
            return failure_report.describe(error, secret_values(self._environ))
        if self._nginx and nginx_ended:
            return why_gone(NGINX, self._nginx.child.returncode)
        if not self._reachable:
            return failure_report.describe(PlatformError(_CUT_OFF))
        return self._gunicorns.serving.cause()

    @property
    def _turn(self) -> float:
        """How long to wait for a signal at most: while nginx logs, not until its pipe is full."""
        return _LOGGING_POLL if self._nginx and self._nginx.is_logging else _POLL

    @property
    def _nginx_has_ended(self) -> bool:
        return self._nginx is not None and self._nginx.has_ended

    @property
    def _children(self) -> list[Child]:
        return [*([self._nginx.child] if self._nginx else []), *self._gunicorns.children]

    def _reap(self) -> None:
        reap(self._children)
        if self._nginx:
            self._nginx.forward_log()


def asks_to_stop(arrived: Sequence[signal.Signals]) -> bool:
    """Return whether a signal among those that have arrived asks for a stop."""
    return any(number not in (signal.SIGCHLD, signal.SIGHUP) for number in arrived)
