"""Everything below this process, found in /proc and ended.

A process group is not enough: a grandchild that called setsid has left it. Whoever lost its parent
hangs below us, since we adopt orphans.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path

from mlberth.process.children import Child, reap
from mlberth.process.signals import SignalQueue

_PROC = Path("/proc")
_POLITE_SECONDS = 2.0  # for a clean end after TERM
_KILL_SECONDS = 5.0  # what KILL does not end by then is stuck in the kernel, and cannot be waited for


def descendants(of: int | None = None, proc: Path = _PROC, *, spared: Collection[int] = ()) -> list[int]:
    """Return the living processes below a process, this one by default, without those that are spared."""
    if of is None and not _has_children():
        return []
    children: dict[int, list[int]] = {}
    for entry in os.listdir(proc):  # noqa: PTH208 - names alone, thousands of them
        if entry.isdigit():
            parent, state = _parent_and_state(proc / entry / "stat")
            if state not in ("Z", "X"):
                children.setdefault(parent, []).append(int(entry))
    found = []
    level = [of or os.getpid()]
    while level:
        level = [child for parent in level for child in children.get(parent, []) if child not in spared]
        found += level
    return found


def end_descendants(
    own: Iterable[Child],
    signals: SignalQueue,
    polite_seconds: float = _POLITE_SECONDS,
    *,
    spared: Collection[int] = (),
) -> int:
    """End everything below this process, TERM first and KILL if that was not enough.

    Returns how many had to be killed. `own` are the children whose exit codes somebody still wants, and
    `spared` are processes of ours that go on.
    """
    own = list(own)

    def gone() -> bool:
        reap(own)
        return not descendants(spared=spared)

    if not gone() and polite_seconds > 0:
        _signal_all(descendants(spared=spared), signal.SIGTERM)
        signals.wait_for(gone, polite_seconds)
    killed = descendants(spared=spared)
    for _ in range(10):  # a process may have forked between the look and the kill
        if gone():
            break
        _signal_all(descendants(spared=spared), signal.SIGKILL)
        signals.wait_for(gone, _KILL_SECONDS / 10)
    return len(killed)


def _has_children() -> bool:
    """Return whether anything is below this process, with one system call: usually nothing is left."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _parent_and_state(stat: Path) -> tuple[int, str]:
    try:
        # "PID (COMMAND) STATE PPID …": the command may hold blanks and brackets, so cut at the last one.
        fields = stat.read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0, "X"
    return int(fields[1]), fields[0].decode()
