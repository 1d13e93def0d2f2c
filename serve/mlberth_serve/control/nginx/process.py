"""nginx as a process: started before the model is loaded, reloaded, and looked after."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping

from mlberth import logs
from mlberth.process.children import start
from mlberth_serve.control.nginx.config import install_config, nginx_argv
from mlberth_serve.control.nginx.error_log import NginxErrorLog
from mlberth_serve.control.nginx.own_conf import adapt_own_conf
from mlberth_serve.control.nginx.tls import Certificate
from mlberth_serve.control.nginx.worker_watch import NginxWorkers
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

_STDOUT = 1
_PATIENCE = 0.1
"""How many seconds the access log waits for its reader, once; what comes meanwhile waits in nginx's pipe."""

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
        access = logs.make_outlet(_STDOUT, settings.log_format, patience=_PATIENCE)
        self._log = NginxErrorLog(access, settings.log_format)
        as_root = os.geteuid() == 0
        install_config(run, settings, as_root=as_root)
        argv = nginx_argv(executable, run)
        argv += adapt_own_conf(argv, run, settings, as_root=as_root)
        log.debug("starting nginx: %s", argv)
        # A death signal of KILL would leave nginx's workers, which get none, to answer on.
        self.child = start(
            argv, env=environ, cwd=run.path, stderr=self._log.writer, death_signal=signal.SIGTERM
        )
        self._workers = NginxWorkers(self.child.pid)
        self._log.close_writer()

    @property
    def has_ended(self) -> bool:
        """Whether its end has been seen."""
        return self.child.returncode is not None

    @property
    def is_logging(self) -> bool:
        """Whether it has logged something since the time before the last."""
        return self._log.is_busy

    def forward_log(self) -> None:
        """Pass on what nginx has logged since the last time."""
        self._log.forward()

    def look_after(self) -> None:
        """Reload nginx if it has lost a process: what that one had in flight stays counted otherwise."""
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
