"""Looks after endpoints for which nothing has to be done: whether their instances still run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from mlberth_local.endpoints.captured_files import deliver
from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.engines.base import EngineError

log = logging.getLogger(__name__)
Runs = Sequence[tuple[str, str]]
"""The run and the host of each container of an endpoint."""


class Watcher:
    """Looks again and again, in a thread, at endpoints at rest; `wake` is told of those that change."""

    def __init__(
        self,
        context: EndpointContext,
        *,
        closing: threading.Event,
        resting: Callable[[], Mapping[str, Runs]],
        wake: Callable[[str], None],
    ) -> None:
        self._context = context
        self._closing = closing
        self._resting = resting
        self._wake = wake
        self._silent: set[str] = set()
        """The endpoints whose engine did not answer at the last look."""
        self._thread = threading.Thread(target=self._watch, daemon=True, name="endpoints")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def deliver(self) -> None:
        """Put captured requests into their buckets."""
        if self._context.captured:
            deliver(self._context.captured, self._context.parts.objects)

    def runs(self, run: str, host: str) -> bool:
        """Return whether a container runs. Raises EngineError."""
        return self._context.parts.engine.states(run, (host,))[host].is_running

    def _watch(self) -> None:
        next_delivery = 0.0
        while not self._closing.wait(self._context.seconds.look):
            try:
                if time.monotonic() > next_delivery:
                    next_delivery = time.monotonic() + self._context.seconds.deliver
                    self.deliver()
                self._look()
            except Exception:  # whatever it is, instances that end later must be noticed
                log.exception("the endpoints cannot be looked at")

    def _look(self) -> None:
        for name, runs in self._resting().items():
            try:
                has_ended = any(not self.runs(run, host) for run, host in runs)
            except EngineError as error:
                if name not in self._silent:
                    log.warning("endpoint %s: %s", name, error)
                    self._silent.add(name)
                continue
            # An engine that was away has let go of the logs: whoever is woken takes them up again.
            if has_ended or name in self._silent:
                self._silent.discard(name)
                self._wake(name)
