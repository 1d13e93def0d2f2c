"""Room in memory: whether a model can be loaded without taking that of the others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from mlberth.contract.resources import memory_left, memory_limit

_RESERVE_SHARE = 20
"""One part in so many of all memory stays free, for requests to the models that are loaded."""
_MAX_RESERVE = 256 * 1024 * 1024


class Room:
    """What the machine, or the container, has left."""

    def __init__(
        self, left: Callable[[], int] = memory_left, limit: Callable[[], int] = memory_limit
    ) -> None:
        self._left = left
        self._reserve = min(limit() // _RESERVE_SHARE, _MAX_RESERVE)

    def takes(self, folder: Path) -> bool:
        """Return whether a model's files could be held in memory, and the reserve stay."""
        return self._left() - self._reserve > _size(folder)

    def is_used_up(self) -> bool:
        """Return whether the reserve is in use."""
        return self._left() < self._reserve

    def is_almost_gone(self) -> bool:
        """Return whether the kernel may soon kill a process, whichever it is."""
        return self._left() < self._reserve // 4


def _size(folder: Path) -> int:
    """Return how many bytes the files in a folder have; those that cannot be looked at count as none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).stat().st_size
    return total
