"""A gateway that has outlived its daemon: its listening sockets, and its end."""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress
from pathlib import Path

from mlberth_local.gateway.base import GatewayError
from mlberth_local.gateway.control_socket import Places, connect
from mlberth_local.gateway.link import Link

_ANSWER_SECONDS = 5.0
_KILL_SECONDS = 3.0


def listening_sockets(folder: Path) -> list[socket.socket]:
    """Return the sockets on which a gateway accepts; they are open here, too.

    One that does not answer is killed: its port is free then.
    """
    places = Places(folder)
    if places.pid() is None:
        return []
    try:
        link = _link(places)
    except OSError:
        end(folder, 0)
        return []
    try:
        found = link.ask({"do": "sockets"}, _ANSWER_SECONDS)
    except GatewayError:
        end(folder, 0)
        return []
    finally:
        link.close()
    return [socket.socket(fileno=one) for one in found.descriptors]


def end(folder: Path, seconds: float) -> bool:
    """End a gateway: requests in flight have `seconds`; returns whether one ran."""
    places = Places(folder)
    pid = places.pid()
    if pid is None:
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        with suppress(OSError, GatewayError):
            link = _link(places)
            link.ask({"do": "stop", "seconds": seconds}, _ANSWER_SECONDS)
            link.close()
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        if not ended.poll((seconds + _KILL_SECONDS) * 1000):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            ended.poll(_KILL_SECONDS * 1000)
    finally:
        os.close(descriptor)
    return True


def _link(places: Places) -> Link:
    return Link(connect(places.control, _ANSWER_SECONDS), lambda _: None, lambda _: None)
