"""The file that GET /metrics is answered from: written by the supervisor once a second, replaced by rename.

So a scrape waits for no worker, and costs none of them anything.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from mlberth.contract.resources import read_resident
from mlberth.log_outlet import DROPS
from mlberth_serve.control.metrics.process_memory import Memory, read_proportional
from mlberth_serve.control.nginx.direct_responses import DirectResponses
from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import MetricsMemory
from mlberth_serve.shared.run_directory import RunDirectory, replace_private

_EVERY_SECONDS = 1.0
_MAX_FAILURES = 3
"""After so many in a row the page is removed."""
_MEMORY_SECONDS = 15.0
"""How often the PSS is worked out, which takes the worker's time."""

log = logging.getLogger(__name__)


class Exporter:
    """Keeps the file fresh; call `refresh` often."""

    def __init__(
        self,
        run: RunDirectory,
        board: MetricsMemory,
        workers: int,
        waiting: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._board = board
        self._workers = workers
        self._waiting = waiting
        self._clock = clock
        self._started = time.time()
        self._nginx = DirectResponses(run.path)
        self._proportional: dict[int, int | None] = {}
        # The library takes a while to import: a model that loads in less is not kept waiting for the CPU.
        self._next = self._next_memory = clock() + _EVERY_SECONDS
        self._failures = 0
        self._has_loaded = False

    def refresh(self, loaded: int) -> None:
        """Write the file anew if it is a second old, and at once when the first worker has loaded the model.

        A fault is logged once and ends nothing.

        A page that could not be written several times is removed: better none than old numbers.
        `loaded` is how many workers have loaded the model.
        """
        now = self._clock()
        if now < self._next and (self._has_loaded or not loaded):
            return
        self._has_loaded = self._has_loaded or loaded > 0
        self._next = now + _EVERY_SECONDS
        try:
            self._write(now, loaded)
        except Exception:
            self._failures += 1
            if self._failures == 1:
                log.exception("/metrics is not kept up to date")
            if self._failures >= _MAX_FAILURES:
                with contextlib.suppress(OSError):
                    self._run.metrics.unlink(missing_ok=True)
        else:
            if self._failures:
                log.info("/metrics is kept up to date again")
            self._failures = 0

    def _write(self, now: float, loaded: int) -> None:
        from mlberth_serve.control.metrics.prometheus import Server, render

        self._nginx.refresh()
        pages = self._board.read()
        pids = [int(page.number(metrics_memory.PID)) for page in pages]
        server = Server(
            started=self._started,
            workers=self._workers,
            loaded=loaded,
            front=self._nginx.counts,
            lines_dropped=DROPS.total,
            waiting=self._waiting(),
            memory=self._measure(pids, now),
        )
        replace_private(self._run.metrics, render(pages, server))

    def _measure(self, pids: list[int], now: float) -> dict[int, Memory]:
        resident = {pid: size for pid in pids if (size := read_resident(pid))}
        if now >= self._next_memory or not resident.keys() <= self._proportional.keys():
            self._next_memory = now + _MEMORY_SECONDS
            self._proportional = {pid: read_proportional(pid, size) for pid, size in resident.items()}
        return {pid: Memory(size, self._proportional[pid]) for pid, size in resident.items()}
