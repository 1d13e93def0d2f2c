"""Whether a signal that has reached us has reached everybody below us too, and need not be passed on.

`docker stop` signals one process; Slurm's `scancel` and its time limits signal every process of a step. A
program that got such a signal twice might be interrupted while it saves. Who has sent it does not replies:
Slurm signals a process group alone with another of its plugins, and a container hides the sender.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import TracebackType

from mlberth._typing import typing
from mlberth.process.signals import FORWARDED, STOP

_SECONDS = 0.2
"""How much later than us the others may be reached: it is a loop of kill() over all processes."""
_ANSWER_SECONDS = 5.0
_SAME_STOP_SECONDS = 5.0
"""For how long after a stop that has reached all another is the same, passed on by what runs containers."""


class Witness:
    """A process below ours that does nothing but keep the signals that reach it.

    They are blocked there, so that the kernel keeps them until they are looked for.
    """

    def __init__(self) -> None:
        requests, self._requests = os.pipe2(os.O_CLOEXEC)
        self._replies, replies = os.pipe2(os.O_CLOEXEC)
        self._stopped_at: dict[int, float] = {}
        # Before the fork: a handler of ours in the child would report a signal that is not ours.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        self.pid = os.fork()
        if self.pid == 0:
            _keep_signals(requests, replies)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(requests)
        os.close(replies)

    def saw(self, number: int, seconds: float = _SECONDS) -> bool:
        """Return whether a signal has reached the witness, or does so very soon; each counts once.

        A stop that comes again soon after it has reached all counts as the same.
        """
        now = time.monotonic()
        saw = self._look_for(number, seconds)
        if number in STOP:
            if saw:
                self._stopped_at[number] = now
            saw = now - self._stopped_at.get(number, -_SAME_STOP_SECONDS) < _SAME_STOP_SECONDS
        return saw

    def _look_for(self, number: int, seconds: float) -> bool:
        try:
            os.write(self._requests, bytes([number, round(seconds * 100)]))
            if not select.select([self._replies], [], [], seconds + _ANSWER_SECONDS)[0]:
                self._end()  # its answer may not be taken for the next one
                return False
            return os.read(self._replies, 1) == b"1"
        except (ValueError, OSError):  # somebody has killed it
            return False

    def __enter__(self) -> Witness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._requests < 0:
            return
        os.close(self._requests)
        os.close(self._replies)
        self._requests = self._replies = -1
        with contextlib.suppress(ChildProcessError):  # somebody has killed it, and it was collected
            if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)


def _keep_signals(requests: int, replies: int) -> typing.NoReturn:
    try:
        os.setpgid(0, 0)  # as the program has: a signal for our group alone has not reached it
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - names alone
            if descriptor not in (requests, replies):
                with contextlib.suppress(OSError):  # the one that has listed the others
                    os.close(descriptor)
        while question := os.read(requests, 2):
            number, hundredths = question
            found = signal.sigtimedwait({number}, hundredths / 100)
            os.write(replies, b"1" if found else b"0")
    finally:
        os._exit(0)
