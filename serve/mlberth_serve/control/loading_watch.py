"""The lines that say that a load goes on: a model that takes minutes is not one that hangs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mlberth_serve.control.generation import GUNICORN

EVERY_SECONDS = 30.0

log = logging.getLogger(__name__)


class LoadingWatch:
    """Logs every half a minute what is being done before requests can be answered, and for how long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self._lines = 0

    def look(self, stage: str | None) -> None:
        """Say what stage a load is at, if it is time to; None is no load."""
        if stage is None:
            self._began = None
            return
        if self._began is None:
            self._began, self._lines = self._clock(), 0
        seconds = self._clock() - self._began
        if seconds < (self._lines + 1) * EVERY_SECONDS:
            return
        self._lines = int(seconds // EVERY_SECONDS)
        what = "the model is being loaded" if stage == GUNICORN else "code and packages are being fetched"
        log.info("still loading after %.0f s: %s", seconds, what)
