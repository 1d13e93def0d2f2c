"""The gateway's times from the environment."""

from __future__ import annotations

import pytest

from mlberth_local.gateway.limits import IDLE_VARIABLE, idle_seconds


def test_idle_seconds() -> None:
    """Five minutes, or what the variable says."""
    assert idle_seconds({}) == 300.0
    assert idle_seconds({IDLE_VARIABLE: " 1.5 "}) == 1.5


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "1e9"])
def test_what_is_no_time(text: str) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ValueError, match=f"{IDLE_VARIABLE} is '{text}'; expected seconds"):
        idle_seconds({IDLE_VARIABLE: text})
