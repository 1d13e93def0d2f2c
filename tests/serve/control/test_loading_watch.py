"""A load that takes long, as the log tells it."""

from __future__ import annotations

import logging

import pytest

from mlberth_serve.control.generation import GUNICORN
from mlberth_serve.control.loading_watch import EVERY_SECONDS, LoadingWatch


def test_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    """Every half a minute while something loads, whatever the stage, and afresh for the next load."""
    caplog.set_level(logging.INFO, "mlberth_serve")
    now = 0.0
    watch = LoadingWatch(lambda: now)
    steps = [
        *[("preparation", second) for second in (0, 29, 30, 31)],
        *[(GUNICORN, second) for second in (59, 60, 61, 200)],
        (None, 201),
        *[(GUNICORN, second) for second in (300, 329, 330)],
    ]
    for stage, second in steps:
        now = float(second)
        watch.look(stage)
    model, code = "the model is being loaded", "code and packages are being fetched"
    assert EVERY_SECONDS == 30
    assert [record.getMessage() for record in caplog.records] == [
        f"still loading after 30 s: {code}",
        f"still loading after 60 s: {model}",
        f"still loading after 200 s: {model}",
        f"still loading after 30 s: {model}",
    ]
