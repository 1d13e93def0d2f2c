"""The line on a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import pytest

from mlberth.metrics.live import LiveLine


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Fail if it is closed, as a file does."""
        if self.closed:
            raise ValueError
        return True


def test_lines_are_overwritten_ten_times_a_second() -> None:
    """What comes in between is not shown; the last line is."""
    stream, now = Terminal(), [0.0]
    live = LiveLine(stream, "xterm", clock=lambda: now[0])
    for number in range(25):
        now[0] = number * 0.05 + 0.001
        assert live.show(f"loss={number}")
    live.finish()
    assert 8 <= stream.getvalue().count("\r") <= 14
    assert stream.getvalue().endswith("\rloss=24\x1b[K\n")


@pytest.mark.parametrize("stream", [io.StringIO(), None, "closed"])
def test_elsewhere_nothing_is_shown(stream: object) -> None:
    """Not in a file, a pipe, a closed stream or a terminal that can do nothing."""
    if stream == "closed":
        stream = Terminal()
        stream.close()
    assert not LiveLine(stream, "xterm").show("x")  # type: ignore[arg-type]
    assert not LiveLine(Terminal(), "dumb").show("x")


def test_a_terminal_that_goes_away() -> None:
    """Costs the line, and not the program."""
    stream = Terminal()
    live = LiveLine(stream, "xterm", clock=iter(range(9)).__next__)
    assert live.show("x")
    stream.close()
    assert live.show("x")
    assert not live.show("x")
    live.finish()


PROGRAM = "from mlberth.metrics import log\nfor step in range(3): log(loss=step, step=step)\n"


def test_on_a_real_terminal() -> None:
    """One line, whole at the end."""
    parent, child = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "SAGEMAKER_BASE_DIR": "/nowhere"}
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=child, env=environ, check=True, timeout=60)
    os.close(child)
    shown = os.read(parent, 65536).decode()
    os.close(parent)
    assert shown.startswith("\rmetrics: step=0; loss=0;\x1b[K")
    assert shown.endswith("\rmetrics: step=2; loss=2;\x1b[K\r\n")
    assert shown.count("\n") == 1
