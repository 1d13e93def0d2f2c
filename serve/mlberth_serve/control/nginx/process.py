"""nginx as a process: started before the model is loaded, reloaded, and looked after."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping

from mlberth import logs
from mlberth.process.children import start
from mlberth_serve.control.nginx.config import check_own_conf, install_config, nginx_argv
from mlberth_serve.control.nginx.error_log import NginxErrorLog
from mlberth_serve.control.nginx.tls import Certificate
from mlberth_serve.control.nginx.worker_watch import NginxWorkers
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

log = logging.getLogger(__name__)


class NginxProcess:
    """A running nginx. Raises ContractError for a nginx.conf that does not do."""

    def __init__(
        self,
        executable: str,
        run: RunDirectory,
        settings: Settings,
        environ: Mapping[str, str],
        certificate: Certificate | None,
    ) -> None:
        self._certificate = certificate
        self._log = NginxErrorLog() if settings.log_format == logs.JSON else None
        install_config(run, settings, as_root=os.geteuid() == 0)
        argv = nginx_argv(executable, run)
        check_own_conf(argv, run, settings)
        log.debug("starting nginx: %s", argv)
        stderr = self._log.writer if self._log else None
        # A death signal of KILL would leave nginx's workers, which get none, to answer on.
        self.child = start(argv, env=environ, cwd=run.path, stderr=stderr, death_signal=signal.SIGTERM)
        self._workers = NginxWorkers(self.child.pid)
        if self._log:
            self._log.close_writer()

    @property
    def has_ended(self) -> bool:
        """Whether its end has been seen."""
        return self.child.returncode is not None

    def forward_log(self) -> None:
        """Log what nginx has written since the last time, where its lines come through us."""
        if self._log:
            self._log.forward()

    def look_after(self) -> None:
        """Reload nginx where it has lost a process: what that one had in flight stays counted otherwise."""
        if self._workers.has_lost_one():
            log.error("a process of nginx has died with the requests it had; nginx is reloaded")
            self._reload()

    def renew_certificate(self) -> None:
        """Let nginx load a certificate that has changed; call it once nginx surely takes signals."""
        if self._certificate and self._certificate.renew():
            self._reload()

    def _reload(self) -> None:
        self._workers.expect_end()
        self.child.send_signal(signal.SIGHUP)
