"""The thread that judges the alarms, each as often as its period needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from mlberth_local.alarms import definition as definitions
from mlberth_local.alarms.alarms import KIND, Alarms

_LONGEST_PAUSE, _SHORTEST_PAUSE = 1.0, 0.05
_OFTEN, _SELDOM = 0.1, 10.0
"""The bounds of the time between two looks at one alarm, in seconds; it is a tenth of its period."""
log = logging.getLogger(__name__)


class Evaluator:
    """Judges alarms from `start` to `stop`."""

    def __init__(self, alarms: Alarms, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._alarms = alarms
        self._clock = clock
        self._due: dict[str, float] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin; alarms of an earlier daemon go on with the state they had."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End, at the latest after so many seconds."""
        self._stopping = True
        self._alarms.changed.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            try:
                pause = self._judge_due()
            except Exception:
                log.exception("the alarms cannot be judged now")
                pause = _LONGEST_PAUSE
            self._alarms.changed.wait(pause)
            self._alarms.changed.clear()

    def _judge_due(self) -> float:
        """Judge the alarms whose time has come; returns how long nothing is due."""
        alarms = {alarm.name: alarm for alarm in self._alarms.resources.unfinished(KIND)}
        self._due = {name: due for name, due in self._due.items() if name in alarms}
        for name, alarm in alarms.items():
            if self._stopping:
                break
            if self._due.get(name, 0.0) <= self._clock():
                length = definitions.period(alarm.state["definition"])
                self._due[name] = self._clock() + min(max(length / 10, _OFTEN), _SELDOM)
                self._judge(name)
        soonest = min(self._due.values(), default=self._clock() + _LONGEST_PAUSE)
        return min(max(soonest - self._clock(), _SHORTEST_PAUSE), _LONGEST_PAUSE)

    def _judge(self, name: str) -> None:
        try:
            self._alarms.judge(name)
        except Exception:
            log.exception("alarm %s cannot be judged now", name)
