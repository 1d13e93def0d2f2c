"""The thread that looks after the targets."""

from __future__ import annotations

import logging
import threading

from mlberth_local.scaling.records import TARGET, rows
from mlberth_local.scaling.scaling import Scaling

_LOOKS_A_MINUTE = 20
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
log = logging.getLogger(__name__)


class Scaler:
    """Looks after targets from `start` to `stop`."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._pause = min(max(scaling.minute / _LOOKS_A_MINUTE, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scaling", daemon=True)

    def start(self) -> None:
        """Begin; activities of an earlier daemon are ended as their endpoints are now."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End, at the latest after so many seconds."""
        self._stopping = True
        self._scaling.changed.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            self._scaling.changed.clear()
            try:
                names = [row.name for row in rows(self._scaling.resources, TARGET)]
            except Exception:
                log.exception("the targets cannot be read now")
                names = []
            for name in names:
                self._look_after(name)
            self._scaling.changed.wait(self._pause)

    def _look_after(self, name: str) -> None:
        try:
            self._scaling.look_after(name)
        except Exception:
            log.exception("%s cannot be scaled now", name)
