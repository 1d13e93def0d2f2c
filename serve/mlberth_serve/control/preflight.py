"""Checks before anything is started: the packages, nginx, and the port to listen on."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from shutil import which

from mlberth.errors import ContractError, DependencyError, Fault, PortInUseError
from mlberth_serve.settings import Settings
from mlberth_serve.variables import Variables

_WITHOUT_NGINX = (
    "%s: gunicorn answers alone. That costs: no port before the model is loaded, /ping waits behind "
    "predictions, and the model cannot be reloaded"
)

log = logging.getLogger(__name__)


def find_nginx(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Return nginx's path; None, with a line in the log, if gunicorn is to answer by itself.

    Raises DependencyError if it is missing, and TLS or several models are asked for.
    """
    if not settings.use_nginx:
        log.info(_WITHOUT_NGINX, f"{Variables.use_nginx.name} is false")
        return None
    nginx = which("nginx", path=environ.get("PATH"))
    if nginx is None:
        if settings.tls:
            raise DependencyError(
                Fault("nginx", "not on PATH", f"nginx, for {Variables.tls_certificate.name}")
            )
        if settings.multi_model:
            raise DependencyError(Fault("nginx", "not on PATH", f"nginx, for {Variables.multi_model.name}"))
        log.warning(_WITHOUT_NGINX, "nginx is not on PATH")
    return nginx


def check_installed(settings: Settings) -> None:
    """Raise DependencyError if the packages that serve are not there."""
    needed = ["flask", "gunicorn", "numpy", "orjson", *(["prometheus_client"] if settings.metrics else [])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        found = f"not installed: {', '.join(missing)}"
        action = "Install the extra `serve` of mlberth there, or use an mlberth-serve image."
        raise DependencyError(Fault(sys.executable, found, "", action))


def check_port(settings: Settings) -> None:
    """Raise PortInUseError if somebody listens already, ContractError if we may not listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As nginx and gunicorn do, so that connections in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen(1)
        except OSError as error:
            raise _explain(settings, error) from None


def _explain(settings: Settings, error: OSError) -> ContractError | PortInUseError:
    where = f"{Variables.host.name} and {Variables.port.name}"
    address = settings.listen_address
    if error.errno == errno.EADDRINUSE:
        action = "End the program that listens there, or choose another port."
        return PortInUseError(Fault(Variables.port.name, f"{address} is in use", "", action))
    found = f"nobody can listen on {address} ({(error.strerror or str(error)).lower()})"
    action = "Name an address of this machine, and a port that this user may listen on."
    return ContractError(Fault(where, found, "", action))
