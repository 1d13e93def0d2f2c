"""One program, run to its end: signals forwarded, orphans reaped, nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.process.children import Child, exit_code, group_lives, pass_on, reap, start
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.output_pump import OutputFilter, OutputPump
from mlberth.process.signals import ONE_PRESS_SECONDS, STOP, SignalQueue

# Imported when the program runs already, and is not kept waiting.
if TYPE_CHECKING:
    from mlberth.process import progress_bars
    from mlberth.process import witness as witnesses
else:
    progress_bars = OnDemand("mlberth.process.progress_bars")
    witnesses = OnDemand("mlberth.process.witness")

_STDOUT, _STDERR = 1, 2
_FLUSH_SECONDS = 5.0
"""For the output that is still in the pipe; a process that nothing ends may hold its other end for ever."""
_MAX_POLITE_SECONDS = 2.0
"""For what the program left behind: it has done its work, and nobody waits for these."""

_LATE_SECONDS = 0.05
_WATCH_SECONDS = 1.0
Watch = Callable[[int], bool]


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
    lost: int = 0
    """How many bytes of its standard error could not be passed on."""
    insisted: bool = False
    """Whether a second Ctrl-C ended the grace period."""

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
    lines: tuple[OutputFilter, OutputFilter] | None = None,
    on_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[signal.Signals], None] = lambda number: None,  # noqa: ARG005
    tap: Callable[[int, bytes], None] | None = None,
    spared: frozenset[int] = frozenset(),
    watch: Watch | None = None,
    witness: witnesses.Witness | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Run a program and pass on every signal; `grace` seconds after a stop signal, kill what is left.

    A SIGINT after the stop signal kills at once: whoever types Ctrl-C a second time will not wait.

    Standard output is the program's own, or goes the way of standard error with `merge`. Standard error
    passes through us byte for byte, or, with `collapse`, without the states of progress bars that a
    terminal would overwrite. With `lines`, both pass through these two filters, and are written line by
    line. With `tap`, both pass through us as well, and it is given each piece of them with the number of its
    stream. The processes in `spared` are not the program's, and outlive it. `watch` is asked each second,
    with the program's pid, whether it is past hope; then it is killed. A signal that the `witness` has seen
    has reached the program too, and is not passed on. `on_start` is called when the program runs and before a
    word of its standard error is passed on, `on_stop` when a stop signal has come.
    Raises OSError if the program cannot be started.
    """
    adopt_orphans()  # first: a grandchild may lose its parent as soon as the program runs
    began = clock()
    source, said = os.pipe2(os.O_CLOEXEC)
    piped = bool(lines) or (tap is not None and not merge)
    printed, print_to = os.pipe2(os.O_CLOEXEC) if piped else (-1, said if merge else -1)
    try:
        child = start(argv, env=env, cwd=cwd, stdout=None if print_to < 0 else print_to, stderr=said)
    except BaseException:
        for reader in {source, printed} - {-1}:
            os.close(reader)
        raise
    finally:
        for writer in {said, print_to} - {-1}:
            os.close(writer)  # ours too: the pipe ends with the last process that can write to it
    on_start()
    changes = lines or (None, progress_bars.ProgressBars() if collapse else None)
    taps = [partial(tap, stream) if tap else None for stream in (_STDOUT, _STDERR)]
    pump = OutputPump(source, stderr, change=changes[1], whole_lines=bool(lines), tap=taps[1])
    prints = (
        OutputPump(printed, _STDOUT, change=changes[0], whole_lines=bool(lines), tap=taps[0])
        if piped
        else None
    )
    stopped_by: signal.Signals | None = None
    deadline: float | None = None
    stop_came, insisted = 0.0, False
    while not _ended(child, stopped_by) and (deadline is None or clock() < deadline):
        for number in signals.wait(_pause(None if deadline is None else deadline - clock(), watch)):
            if number == signal.SIGCHLD:
                continue
            if number == signal.SIGINT and stopped_by and clock() - stop_came > ONE_PRESS_SECONDS:
                insisted, deadline = True, clock()
                break
            pass_on(child, number, witness)
            if number in STOP and stopped_by is None:
                stop_came = clock()
                stopped_by, deadline = number, stop_came + grace  # a second stop gives no more time
                on_stop(number)
        reap([child])  # whatever came: one SIGCHLD can stand for several ends
        deadline = clock() if _is_lost(child, watch) else deadline
    overran = not _ended(child, stopped_by)
    stopped_by = stopped_by or _late_stop(child, witness)
    polite = 0 if overran else min(_MAX_POLITE_SECONDS, grace)
    spared |= {witness.pid} if witness else frozenset()
    end_descendants([child], signals, polite_seconds=polite, spared=spared)
    reap([child])  # what has been killed just now
    tail = pump.finish(_FLUSH_SECONDS)
    if prints:
        prints.finish(_FLUSH_SECONDS)
    # What not even KILL ends (stuck in the kernel) has no code yet, and must not pass for a success.
    returncode = -signal.SIGKILL if child.returncode is None else child.returncode
    seconds = clock() - began
    return Outcome(returncode, stopped_by, overran, tail, seconds, pump.cuts, pump.lost, insisted)


def _pause(left: float | None, watch: Watch | None) -> float | None:
    return left if watch is None else min(_WATCH_SECONDS, _WATCH_SECONDS if left is None else left)


def _late_stop(child: Child, witness: witnesses.Witness | None) -> signal.Signals | None:
    """Return the stop signal of which a program may have ended before it has reached us."""
    if not (child.returncode and witness):
        return None
    return next((number for number in STOP if witness.saw(number, _LATE_SECONDS)), None)


def _is_lost(child: Child, watch: Watch | None) -> bool:
    return watch is not None and child.returncode is None and watch(child.pid)


def _ended(child: Child, stopped_by: signal.Signals | None) -> bool:
    """Return whether the program has ended; after a stop, whether everything in its group has.

    SIGTERM ends a shell at once, while the program that it runs still saves what it has.
    """
    return child.returncode is not None and not (stopped_by and group_lives(child))
