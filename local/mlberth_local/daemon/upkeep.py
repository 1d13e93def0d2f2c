"""Threads that do some work again and again: they keep the store small, and measure instances."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_PAUSE_SECONDS = 600.0
log = logging.getLogger(__name__)


class Upkeep:
    """Does some work from `start` to `stop`, again and again."""

    def __init__(self, work: Callable[[], None], *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._work = work
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End, at the latest after so many seconds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._pause_seconds):
            try:
                self._work()
            except Exception:
                log.exception("what is done every %g s has failed, and is tried again", self._pause_seconds)
