"""Linux process controls: what the supervisors ask of the kernel for themselves and their children."""

from __future__ import annotations

import contextlib
import os

# From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of descendants that lose theirs, as PID 1 is anyway."""
    if os.getpid() != 1:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to send this process a signal when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def use_batch_scheduling() -> None:
    """Let this process, and children to come, go on when another wakes, until they wait or their time is up.

    For processes that hand work to each other all the time: each would be cut short by the next. A policy
    that somebody has chosen stays. Source: SCHED_BATCH in sched(7).
    """
    with contextlib.suppress(OSError):  # a sandbox that does not let it costs speed alone
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _prctl(option: int, value: int) -> None:
    import ctypes  # slow, and the first process of a container needs neither control

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")
