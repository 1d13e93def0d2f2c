"""One program, run to its end: signals forwarded, orphans reaped, nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.process.children import Child, exit_code, group_lives, reap, signal_group, start
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.output_pump import OutputPump
from mlberth.process.signals import STOP, SignalQueue

# Imported when the program runs already, and is not kept waiting.
if TYPE_CHECKING:
    from mlberth.process import progress_bars
else:
    progress_bars = OnDemand("mlberth.process.progress_bars")

_STDERR = 2
_FLUSH_SECONDS = 5.0


class Outcome(NamedTuple):
    """How a program ended."""

    returncode: int
    """Negative for a signal."""
    stopped_by: signal.Signals | None
    """The signal that asked us to stop, if one came."""
    overran: bool
    """Whether the program outlived the grace period and was killed."""
    stderr: bytes
    """The last 64 KiB of its standard error."""
    seconds: float
    cuts: tuple[int, ...] = ()
    """Where in `stderr` something is missing."""

    @property
    def exit_code(self) -> int:
        """The exit code as a shell gives it: 128 + n for signal n."""
        return exit_code(self.returncode)


def supervise(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    signals: SignalQueue,
    grace: float,
    cwd: Path | None = None,
    stderr: int = _STDERR,
    merge: bool = False,
    collapse: bool = False,
    on_start: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Run a program and pass on every signal; `grace` seconds after a stop signal, kill what is left.

    Standard output is the program's own, or goes the way of standard error with `merge`. Standard error
    passes through us byte for byte, or, with `collapse`, without the states of progress bars that a
    terminal would overwrite. `on_start` is called when the program runs and before a word of its
    standard error is passed on. Raises OSError where the program cannot be started.
    """
    adopt_orphans()
    began = clock()
    source, said = os.pipe2(os.O_CLOEXEC)
    try:
        child = start(argv, env=env, cwd=cwd, stdout=said if merge else None, stderr=said)
    except BaseException:
        os.close(source)
        raise
    finally:
        os.close(said)
    on_start()
    pump = OutputPump(source, stderr, bars=progress_bars.ProgressBars() if collapse else None)
    stopped_by: signal.Signals | None = None
    deadline: float | None = None
    while not _ended(child, stopped_by) and (deadline is None or clock() < deadline):
        for number in signals.wait(None if deadline is None else deadline - clock()):
            if number == signal.SIGCHLD:
                continue
            signal_group(child, number)
            if number in STOP and stopped_by is None:
                stopped_by, deadline = number, clock() + grace
        reap([child])
    overran = not _ended(child, stopped_by)
    end_descendants([child], signals, polite_seconds=0 if overran else min(2.0, grace))
    reap([child])
    tail = pump.finish(_FLUSH_SECONDS)
    # What not even KILL ends (stuck in the kernel) has no code yet, and must not pass for a success.
    returncode = -signal.SIGKILL if child.returncode is None else child.returncode
    return Outcome(returncode, stopped_by, overran, tail, clock() - began, pump.cuts)


def _ended(child: Child, stopped_by: signal.Signals | None) -> bool:
    """Return whether the program has ended; after a stop, whether everything in its group has.

    SIGTERM ends a shell at once, while the program that it runs still saves what it has.
    """
    return child.returncode is not None and not (stopped_by and group_lives(child))
