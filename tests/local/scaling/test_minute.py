"""Tests of the length of a minute."""

from __future__ import annotations

import pytest

from mlberth_local.scaling.minute import VARIABLE, minute_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 60), ("", 60), ("2", 2), (" 0.5 ", 0.5), ("0.1", 0.125), ("90", 90)]
)
def test_lengths(text: str | None, seconds: float) -> None:
    """In sixteenths, in which the starts of periods are exact numbers."""
    assert minute_seconds({} if text is None else {VARIABLE: text}) == seconds


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "4000"])
def test_faults(text: str) -> None:
    with pytest.raises(ValueError, match=VARIABLE):
        minute_seconds({VARIABLE: text})
