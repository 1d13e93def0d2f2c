"""Signals as a queue: none is lost, and what was there before comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from mlberth.process.signals import SignalQueue

FIRST_PROCESS = """
import os
from mlberth.process.signals import end_on_stop
end_on_stop()
os.kill(os.getpid(), {number})
print("survived")
"""


def test_signals_are_handed_out_in_the_order_of_their_arrival() -> None:
    """The loop that waits sees each of them, and later nothing more."""
    with SignalQueue() as signals:
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        assert signals.wait(5) == [signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR1]
        assert signals.wait(0) == []


def test_handlers_and_wakeup_of_before_come_back() -> None:
    """A queue that is left leaves no trace, also one inside another."""
    before = signal.getsignal(signal.SIGTERM)
    with SignalQueue() as outer:
        with SignalQueue():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer.wait(5) == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_wait_ends_when_a_child_does() -> None:
    """SIGCHLD is always collected, so that what is waited for is looked at then."""
    began = time.monotonic()
    # It is not over before the wait begins.
    argv = [sys.executable, "-c", "import time; time.sleep(0.5)"]
    with SignalQueue([]) as signals, subprocess.Popen(argv) as child:
        arrived = signals.wait_for(lambda: child.poll() is not None, 60)
    assert time.monotonic() - began < 60
    assert set(arrived) == {signal.SIGCHLD}


def test_wait_ends_at_its_deadline() -> None:
    """What never happens is waited for as long as was said; the signals of that time are returned."""
    with SignalQueue() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        began = time.monotonic()
        assert signals.wait_for(lambda: False, 0.05) == [signal.SIGHUP]
        assert time.monotonic() - began >= 0.05


def test_first_process_ends_on_a_stop_before_it_has_a_queue() -> None:
    """The exit code is the shell's, for SIGTERM and SIGINT alike."""
    for number in (signal.SIGTERM, signal.SIGINT):
        argv = [sys.executable, "-c", FIRST_PROCESS.format(number=int(number))]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (128 + number, b"")
