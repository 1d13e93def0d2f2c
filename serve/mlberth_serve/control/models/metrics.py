"""The page of /metrics of many models: what all workers counted, and a few numbers for each of some models.

The counters of a model that is unloaded are added to those of all before it, so that no sum goes down.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from mlberth.contract.resources import read_resident
from mlberth.log_outlet import DROPS
from mlberth_serve.control.metrics.process_memory import Memory
from mlberth_serve.control.metrics.waiting_requests import waiting_at_sockets
from mlberth_serve.control.models.registry import Registry
from mlberth_serve.control.nginx.direct_responses import DirectResponses
from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import PAGE_BYTES, MetricsMemory, WorkerMetrics, add_page
from mlberth_serve.shared.run_directory import RunDirectory, replace_private

MAX_NAMED = 100
"""How many models have series of their own, the first by name: a page is to have an end."""
_SECONDS_A_MODEL = 0.02
"""Between two pages, for each model: the work of it stays a small share of one CPU."""
_MIN_SECONDS = 1.0
_MAX_SECONDS = 10.0
"""The shortest time between two scrapes of the platform's."""

log = logging.getLogger(__name__)


class ModelMetrics:
    """Keeps the page fresh; call `refresh` often."""

    def __init__(self, run: RunDirectory, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._workers, self._clock = run, workers, clock
        self._started = time.time()
        self._nginx = DirectResponses(run.path)
        self._retired = bytearray(PAGE_BYTES)
        self._next = clock()
        self._has_failed = False

    def retire(self, board: MetricsMemory) -> None:
        """Add the counters of a model whose processes have ended to those of all before."""
        for page in board.read():
            add_page(self._retired, page)

    def refresh(self, registry: Registry) -> None:
        """Write the page anew if it is old; a fault is logged once, and ends nothing."""
        now = self._clock()
        if now < self._next:
            return
        seconds = len(registry.models) * _SECONDS_A_MODEL
        self._next = now + min(_MAX_SECONDS, max(_MIN_SECONDS, seconds))
        try:
            self._write(registry)
        except Exception:
            if not self._has_failed:
                log.exception("/metrics is not kept up to date")
            self._has_failed = True
            with contextlib.suppress(OSError):
                self._run.metrics.unlink(missing_ok=True)
        else:
            self._has_failed = False

    def _write(self, registry: Registry) -> None:
        from mlberth_serve.control.metrics.prometheus import ModelNumbers, Server, render

        self._nginx.refresh()
        pages = {model.name: model.board.read() for model in registry.all_loaded() if model.board}
        memory = {}
        for page in (page for each in pages.values() for page in each):
            pid = int(page.number(metrics_memory.PID))
            if resident := read_resident(pid):
                memory[pid] = Memory(resident)
        server = Server(
            started=self._started,
            workers=self._workers * (registry.counts["loaded"] + registry.counts["reloaded"]),
            loaded=len(memory),
            front=self._nginx.counts,
            lines_dropped=DROPS.total,
            waiting=waiting_at_sockets(self._run.path),
            memory=memory,
            models=ModelNumbers(
                dict(list(pages.items())[:MAX_NAMED]), len(registry.all_loaded()), registry.counts
            ),
        )
        everything = [
            WorkerMetrics(bytes(self._retired)),
            *(page for each in pages.values() for page in each),
        ]
        replace_private(self._run.metrics, render(everything, server))
