"""Text from outside, as it may stand in a line of a log."""

from __future__ import annotations

from mlberth.log_escapes import indented, one_line

HOSTILE = 'x\r\n2026-01-01 00:00:00,000 INFO mlberth: forged\x1b[2J\x00\x85\u2028"}'


def test_one_line() -> None:
    """A text that goes into a line of its own makes no second one."""
    assert one_line(HOSTILE).isprintable()
    assert one_line("a b") == "a b"


def test_further_lines_are_indented() -> None:
    """A text of several lines keeps them, below its first."""
    first, second = indented(HOSTILE + "\n").split("\n")
    assert first == "x\\r"
    assert second.startswith("    2026-01-01")
    assert second.isprintable()
    assert indented("a\tb") == "a\tb"
