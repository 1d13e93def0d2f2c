"""The leader's port, and the connection of a worker to it."""

from __future__ import annotations

import errno
import socket
import threading
import time

from mlberth.errors import Fault, PlatformError, PortInUseError

_RETRY_SECONDS = 0.2
_CONNECT_SECONDS = 5.0
_PORT = "SAGEMAKER_LAUNCHER_PORT"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that waits for workers, at the address of the leader's own name.

    At every address where that is none of this machine's own, as behind a service of Kubernetes. Raises
    PortInUseError and PlatformError.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(_in_use(port)) from error
    try:
        return _bound("", port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(_in_use(port)) from error
        fault = Fault(_PORT, f"{port}, {error.strerror or error}", "a port that can be listened at")
        raise PlatformError(fault) from error


class Dialer:
    """Connects to the leader in a thread, since looking up a name takes its time."""

    def __init__(self, host: str, port: int, limit: float) -> None:
        self._host = host
        self._port = port
        self._deadline = time.monotonic() + limit
        self._limit = limit
        self.sock: socket.socket | None = None
        self.problem = ""
        """Why there is no connection after all that time."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            left = self._deadline - time.monotonic()
            try:
                address = (self._host, self._port)
                self.sock = socket.create_connection(address, timeout=max(0.1, min(_CONNECT_SECONDS, left)))
            except (OSError, UnicodeError) as error:
                if left <= 0:
                    reason = getattr(error, "strerror", None) or error
                    self.problem = f"no connection to port {self._port} after {self._limit:g} s ({reason})"
                    return
            else:
                return
            time.sleep(_RETRY_SECONDS)


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _in_use(port: int) -> Fault:
    return Fault(
        _PORT, f"{port}, where another process listens", "a free port", "Set it to another port on all hosts."
    )
