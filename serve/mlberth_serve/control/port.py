"""The port to serve on: ours before anything is started, or an error that says whose it is."""

from __future__ import annotations

import errno
import socket

from mlberth.errors import ContractError, Fault, PortInUseError
from mlberth_serve import variables
from mlberth_serve.settings import Settings


def check_port(settings: Settings) -> None:
    """Raise PortInUseError where somebody listens already, ContractError where we may not listen."""
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
    where = f"{variables.HOST.name} and {variables.PORT.name}"
    found = f"{settings.listen_address}, and {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        action = "End the program that listens there, or choose another port."
        return PortInUseError(Fault(variables.PORT.name, found, "a port that nobody listens on", action))
    return ContractError(Fault(where, found, "an address of this machine on which we may listen"))
