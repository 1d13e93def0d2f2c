"""The thread that publishes a job's metrics while its programs run."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from mlberth_local.job_metrics.printed import PrintedMetrics
from mlberth_local.job_metrics.utilization import Utilization
from mlberth_local.store.metrics import Metrics

_LOOK_SECONDS = 1.0
"""Between two looks at the logs."""

log = logging.getLogger(__name__)


class Monitor:
    """Looks at the logs again and again, and measures the hosts every `measure_seconds`."""

    def __init__(
        self,
        printed: PrintedMetrics | None,
        utilization: Utilization,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        measure_seconds: float,
    ) -> None:
        self._printed = printed
        self._utilization = utilization
        self._metrics = metrics
        self._clock = clock
        self._measure_seconds = measure_seconds
        self._measured = -math.inf
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True, name="metrics of a job")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Return when nothing is published any more."""
        self._stop.set()
        self._thread.join()

    def _repeat(self) -> None:
        pause = min(_LOOK_SECONDS, self._measure_seconds)
        while not self._stop.wait(pause):
            try:
                self._look()
            except Exception:  # the job goes on, whatever it is
                log.warning("the metrics of a job cannot be published now", exc_info=True)

    def _look(self) -> None:
        if self._printed:
            self._printed.publish()
        now = self._clock()
        if now >= self._measured + self._measure_seconds:
            self._measured = now
            if points := self._utilization.points(now):
                self._metrics.put(points)
