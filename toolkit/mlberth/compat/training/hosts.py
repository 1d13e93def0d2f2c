"""The names of a job's hosts, waited for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

import mlberth

_LONGEST = 15 * 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0


def wait_hostname_resolution(sm_hosts: Iterable[str] | None = None) -> None:
    """Wait until each host has an address, those of the job unless others are named.

    `train` has done so before the program starts. Raises OSError after 15 minutes.
    """
    hosts = mlberth.environment().hosts.names if sm_hosts is None else sm_hosts
    for host in hosts:
        look_up(host)


def look_up(host: str) -> str:
    """Return the address of a host, as soon as it has one."""
    deadline, pause = time.monotonic() + _LONGEST, _FIRST_PAUSE
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
