"""The event loop of async generators: one for each worker, in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class EventLoop:
    """A loop in a daemon thread, for as long as its process lives."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True).start()

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> concurrent.futures.Future[_Result]:
        """Run a coroutine in the loop; to cancel the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


_loops: dict[int, EventLoop] = {}


def event_loop() -> EventLoop:
    """Return this process's loop; the first call starts it.

    All of a worker's requests, and its warm-up, share it: what a handler has bound to its loop stays usable.
    """
    pid = os.getpid()  # a forked child has the object of its parent, but not the thread
    if pid not in _loops:
        _loops.clear()
        _loops[pid] = EventLoop()
    return _loops[pid]
