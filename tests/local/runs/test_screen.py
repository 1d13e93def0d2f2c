"""Tests of what a run shows, on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest

from mlberth_local.runs.screen import Screen, bar, duration


class Terminal(io.StringIO):
    """A terminal's text."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def test_a_pipe_gets_whole_lines_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err, "run")
    screen.show("job  Training  3 s")
    screen.line("epoch 1")
    screen.say("job Completed")
    screen.close()
    assert (out.getvalue(), err.getvalue()) == ("epoch 1\n", "run: job Completed\n")


def test_a_terminal_has_one_line_that_is_drawn_again() -> None:
    now = [0.0]
    terminal = Terminal()
    screen = Screen(terminal, terminal, "run", clock=lambda: now[0])
    screen.show("job  Training  0 s")
    screen.show("too early")
    now[0] = 1.0
    screen.show("job  Training  1 s")
    screen.line("epoch 1")
    screen.close()
    clear = "\r\x1b[K"
    assert terminal.getvalue() == f"{clear}job  Training  0 s{clear}job  Training  1 s{clear}epoch 1\n"


@pytest.mark.parametrize(("seconds", "text"), [(3.9, "3 s"), (185, "3:05"), (3723, "1:02:03")])
def test_a_time_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_bar_is_as_long_as_what_is_done() -> None:
    assert bar("data", 500_000, 2_000_000) == f"data  {'█' * 6}{'·' * 18}  500.0 kB of 2.0 MB"
    assert bar("none", 0, 0).endswith("0 B of 0 B")
