"""The state of the server, and the files that /ping is answered from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlberth_serve.control.readiness import LOADING, READY, STOPPING, WEDGED, Readiness, assess


@pytest.mark.parametrize(
    ("loaded", "before", "after"),
    [
        (0, LOADING, LOADING),
        (1, LOADING, READY),
        (2, READY, READY),
        (0, READY, WEDGED),
        (0, WEDGED, WEDGED),
        (1, WEDGED, READY),
    ],
)
def test_one_loaded_worker_is_enough(loaded: int, before: str, after: str) -> None:
    """Ready with at least one; wedged, not loading, when the last is lost."""
    assert assess(loaded, before) == after


def test_ready_is_a_file_that_comes_and_goes(tmp_path: Path) -> None:
    """The cause of each other state is there before `ready` goes."""
    readiness = Readiness(tmp_path)
    for state in (LOADING, READY, WEDGED, READY, STOPPING):
        assert readiness.change(state)
        assert not readiness.change(state)
        assert (tmp_path / "ready").exists() == (state == READY)
        if state != READY:
            error = json.loads((tmp_path / "not_ready.json").read_text())["error"]
            assert error["code"] == state
            assert error["message"]
    assert {path.name for path in tmp_path.iterdir()} == {"not_ready.json"}
