"""What tests of every root share."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LONG = os.environ.get("MLBERTH_LONG") == "1"
"""Whether tests are run in their long form."""


def within(seconds: float) -> float:
    """Return the limit of what takes `seconds` at most on a quiet machine; only long runs hold it to that."""
    return seconds if LONG else 5 * seconds


def wait_until(
    predicate: Callable[[], object], *, timeout: float = 30.0, message: str | Callable[[], str] = ""
) -> None:
    """Return as soon as `predicate()` holds; fail after `timeout` seconds, with what a message says then."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(said or f"not within {timeout} s: {predicate}")
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _own_ports() -> Iterator[int]:
    """Yield, again and again, the ports of a block that no other process of tests on this machine takes from.

    An abstract socket reserves the block as long as this process lives.
    """
    for first in range(15000, 32000, 100):
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f"\0mlberth-tests-ports-{first}")
            except OSError:
                continue
            while True:
                yield from range(first, first + 100)


_PORTS = _own_ports()


def free_port() -> int:
    """Return a port that nobody listens at, and that nobody else is given before it is used.

    It lies below the ports that the kernel gives to connections.
    """
    for port in _PORTS:
        with contextlib.suppress(OSError):
            socket.create_server(("", port)).close()
            return port
    raise AssertionError("every block of ports is taken")
