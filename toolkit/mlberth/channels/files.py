"""The files of a channel: listed, put into the order of an epoch, divided among ranks."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from mlberth.errors import ContractError, Fault
from mlberth.paths import exists, is_file

T = TypeVar("T")


def list_files(folder: Path) -> list[Path]:
    """Return the files below a folder, at any depth, in the order of their names; without hidden ones."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back
            folders[:] = []
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # What is no file, such as a FIFO, could be waited for without end.
        paths = [Path(place, name) for name in names if not name.startswith(".")]
        found += [path for path in paths if is_file(path) or not exists(path)]
    return sorted(found)


def _fail(error: OSError) -> None:
    """Say which folder cannot be read, in place of leaving it out."""
    raise error


def shard(items: Sequence[T], rank: int, ranks: int) -> list[T]:
    """Return the part of a list that is for one of several ranks: every item is for exactly one of them."""
    if not 0 <= rank < ranks:
        found = f"the rank {rank} of {ranks}"
        raise ContractError(Fault("shard", found, "a rank from 0 to the number of ranks less one"))
    return list(items[rank::ranks])


def in_order_of(epoch: int, seed: int | None, items: Sequence[T]) -> list[T]:
    """Return a list in the order of an epoch: the same on every host, another for each epoch and seed."""
    ordered = list(items)
    if seed is not None:
        random.Random(f"{seed}-{epoch}").shuffle(ordered)  # noqa: S311 - nothing secret is made of it
    return ordered


def shuffled(items: Iterable[T], seed: int, *, size: int = 1024) -> Iterator[T]:
    """Yield items in another order, with at most `size` of them in memory."""
    if size < 1:
        raise ContractError(Fault("shuffled, size", str(size), "a whole number from 1 on"))
    dice = random.Random(seed)  # noqa: S311
    kept: list[T] = []
    for item in items:
        if len(kept) < size:
            kept.append(item)
            continue
        place = dice.randrange(size)
        kept[place], item = item, kept[place]  # noqa: PLW2901 - they change places
        yield item
    dice.shuffle(kept)
    yield from kept
