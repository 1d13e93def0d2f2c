"""Signals as a queue: handlers only record, the loop that waits acts."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType

from mlberth._typing import typing

STOP = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a command to end."""
FORWARDED = (
    *STOP,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
    signal.SIGWINCH,
)
"""The signals that a supervised program gets to see."""

ONE_PRESS_SECONDS = 0.05
"""Within which two SIGINT are one Ctrl-C: a terminal and a wrapper may both pass it on."""


def end_on_stop() -> None:
    """End at once with 128 + n on a stop signal, until a SignalQueue takes over.

    For PID 1, which the kernel spares every signal that has no handler.
    """
    for number in STOP:
        signal.signal(number, lambda number, _: os._exit(128 + number))


def ignore_stops() -> None:
    """Let no stop signal reach what is left of this process, which has its result and ends.

    The interpreter takes some milliseconds for that, and would end with the signal's code instead.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)


def accept_stops() -> None:
    """Let stop signals through that our parent has blocked for us; one that came meanwhile comes now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


class SignalQueue:
    """Collects signals while it is entered; `wait` hands them out in the order of their arrival.

    SIGCHLD is always collected, so that a wait ends when a child does.
    """

    def __init__(self, signals: Iterable[signal.Signals] = FORWARDED) -> None:
        self._signals = (*signals, signal.SIGCHLD)
        self._before: dict[signal.Signals, typing.Any] = {}
        self._reader = self._writer = self._wakeup_before = -1

    def __enter__(self) -> SignalQueue:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # The interpreter's own C handler writes each signal's number into the pipe.
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # After the pipe: a signal that arrives in between ends us as before, and is not lost.
        self._before = {number: signal.signal(number, _record) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, timeout: float | None = None, *, also: Iterable[int] = ()) -> list[signal.Signals]:
        """Return the signals that have arrived, after `timeout` seconds at the latest.

        None waits without end. The list is empty when the time is up, or when one of the descriptors
        `also` can be read.
        """
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        for descriptor in also:
            poll.register(descriptor, select.POLLIN)
        found = poll.poll(None if timeout is None else max(0, timeout) * 1000)
        if self._reader not in dict(found):
            return []
        # A byte a signal; the pipe holds 65536, and what does not fit is dropped (warn_on_full_buffer).
        return [signal.Signals(number) for number in os.read(self._reader, 4096)]

    def wait_for(
        self, done: Callable[[], bool], timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> list[signal.Signals]:
        """Wait until `done()` holds or the time is up; return the signals that arrived meanwhile.

        `done` is asked after every signal, so it should be about children.
        """
        deadline = clock() + timeout
        arrived: list[signal.Signals] = []
        while not done() and (left := deadline - clock()) > 0:
            arrived += self.wait(left)
        return arrived


def _record(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wake-up pipe already has the signal."""
