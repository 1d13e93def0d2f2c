"""The gateway's times from the environment."""

from __future__ import annotations

import pytest

from mlberth_local.gateway.limits import IDLE_VARIABLE, MODELS_DISK_VARIABLE, idle_seconds, models_bytes


def test_idle_seconds() -> None:
    """Five minutes, or what the variable says."""
    assert idle_seconds({}) == 300.0
    assert idle_seconds({IDLE_VARIABLE: " 1.5 "}) == 1.5


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "1e9"])
def test_what_is_no_time(text: str) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ValueError, match=f"{IDLE_VARIABLE} is '{text}'; expected seconds"):
        idle_seconds({IDLE_VARIABLE: text})


def test_models_bytes() -> None:
    """The disk of models has no limit, or megabytes."""
    assert models_bytes({}) == 0
    assert models_bytes({MODELS_DISK_VARIABLE: "2"}) == 2 * 1024 * 1024


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "1e3"])
def test_what_is_no_size(text: str) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ValueError, match=f"{MODELS_DISK_VARIABLE} is '{text}'; expected megabytes"):
        models_bytes({MODELS_DISK_VARIABLE: text})
