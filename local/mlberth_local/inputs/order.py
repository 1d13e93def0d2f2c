"""The order of a channel's objects or lines if they are shuffled.

Nothing is imported here that a feeder would wait for.
"""

from __future__ import annotations

import random
from typing import TypeVar

T = TypeVar("T")


def shuffled(items: tuple[T, ...], seed: int | None, epoch: int = 0) -> tuple[T, ...]:
    """Return the items in the order of a seed, another for each epoch; as they are without one."""
    if seed is None:
        return items
    order = list(items)
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - reproducible on purpose
    return tuple(order)
