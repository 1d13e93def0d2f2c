"""The other hosts of a job: waited for until their names are known.

The platform starts a job's hosts one by one, and a program that connects to one without an address fails at
once. sagemaker-training-toolkit waits at the same point, for as long.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from signal import Signals

from mlberth.errors import Fault, PlatformError
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.log import INFO, Log
from mlberth_train.variables import HOST_WAIT

_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_GLANCE = 0.05
"""How often a look-up is asked whether it has ended, in seconds."""


def wait_for_names(
    names: Sequence[str],
    limit: float,
    *,
    signals: SignalQueue,
    log: Log,
    source: str = "resourceconfig.json, hosts",
    is_known: Callable[[str], bool] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Signals | None:
    """Return when each host's name has an address, or a stop signal if one comes first.

    Raises PlatformError that names those without one after `limit` seconds, and the `source` of the names.
    """
    began, pause, missing, announced = clock(), _SHORTEST_PAUSE, list(names), False
    while True:
        look = _Look(missing, is_known or _has_address)
        while look.goes_on and clock() - began < limit:
            if stop := _stop_within(_GLANCE, signals):
                return stop
        missing = look.missing
        left = limit - (clock() - began)
        if not missing or left <= 0:
            break
        if not announced:
            log.write(INFO, f"Waiting at most {limit:g} s for an address of {', '.join(missing)}")
            announced = True
        if stop := _stop_within(min(pause, left), signals):
            return stop
        pause = min(2 * pause, _LONGEST_PAUSE)
    if missing:
        found = f"{', '.join(missing)} without an address after {limit:g} s"
        action = (
            f"See whether these hosts run and share a network, or set {HOST_WAIT.name} (0 does not wait)."
        )
        raise PlatformError(Fault(source, found, "names that the network knows", action))
    if announced:
        log.write(INFO, f"All hosts have an address after {clock() - began:.1f} s")
    return None


class _Look:
    """One look-up of some names, in a thread: the system's resolver takes its time, and no signal ends it."""

    def __init__(self, names: Sequence[str], is_known: Callable[[str], bool]) -> None:
        self.missing = list(names)
        self._is_known = is_known
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        """Whether the end is not reached."""
        return self._thread.is_alive()

    def _run(self) -> None:
        for name in list(self.missing):
            if self._is_known(name):
                self.missing = [other for other in self.missing if other != name]


def _has_address(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):  # the latter is a name that no network can have
        return False


def _stop_within(seconds: float, signals: SignalQueue) -> Signals | None:
    """Return the stop signal that arrives within some seconds, if one does."""
    arrived = signals.wait_for(lambda: False, seconds)
    return next((number for number in arrived if number in STOP), None)
