"""The FIFO of one epoch: waited for, opened, and read in large pieces.

In Pipe mode the platform makes NAME_0, NAME_1, … one after the other, and writes all data of the channel into
each of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlberth.errors import ContractError, Fault

BUFFER = 32768
"""A larger record is read into its own memory, and is not copied once more out of the buffer."""
_PIPE = 1 << 20
"""What a pipe may hold without privileges; fewer and larger reads cost less."""
_LOOK_SECONDS = 0.05


def open_fifo(
    path: Path,
    wait: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> BinaryIO:
    """Return the epoch's stream once its first bytes, or its end, are there.

    Raises ContractError if there is no FIFO, or nobody writes to it, within `wait` seconds.
    """
    deadline = clock() + wait
    while not _is_there(path):
        if clock() >= deadline:
            raise _missing(path, f"no FIFO within {wait:g} s")
        sleep(_LOOK_SECONDS)
    # Without waiting: an open that waits for a writer who never comes would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            with contextlib.suppress(OSError):  # the user's pipes hold too much already
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)
            _wait_for_bytes(path, descriptor, wait, max(0.0, deadline - clock()))
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb", BUFFER)
    except BaseException:
        os.close(descriptor)
        raise


def _wait_for_bytes(path: Path, descriptor: int, wait: float, left: float) -> None:
    """Wait for the first bytes, or for the end: it is seen only after a writer has been there (POLLHUP)."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(left * 1000):
        raise _missing(path, f"a FIFO that nobody has written to within {wait:g} s")


def _is_there(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise ContractError(Fault(str(path), "a folder", "the FIFO of an epoch"))
    return True


def _missing(path: Path, found: str) -> ContractError:
    action = "Read as many epochs as are sent; in File mode a channel can be read any number of times."
    return ContractError(
        Fault(str(path), found, "the FIFO of this epoch, and somebody who writes to it", action)
    )
