"""Leftovers of runs that are over, because the engine did not answer: removed as soon as it does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mlberth_local.engines.base import EngineError

_AGAIN_SECONDS = 2.0
"""Between two tries."""

log = logging.getLogger(__name__)


class Leftovers:
    """Calls `collect_garbage` again and again, in a thread, from the first `note` until nothing is left."""

    def __init__(self, collect_garbage: Callable[[], object]) -> None:
        self._collect_garbage = collect_garbage
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._are_there = self._is_sweeping = False

    def note(self, whose: str, error: Exception) -> None:
        """Note that something is left of a job or an endpoint."""
        log.warning("what is left of %s is removed later: %s", whose, error)
        with self._lock:
            self._are_there = True
            if not self._is_sweeping:
                self._is_sweeping = True
                threading.Thread(target=self._sweep, daemon=True, name="leftovers").start()

    def _sweep(self) -> None:
        while not self._closing.wait(_AGAIN_SECONDS):
            with self._lock:
                if not self._are_there:
                    self._is_sweeping = False
                    return
                self._are_there = False
            try:
                self._collect_garbage()
            except EngineError:
                self._are_there = True

    def close(self) -> None:
        """Try no more; the next daemon does."""
        self._closing.set()
