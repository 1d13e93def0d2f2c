"""The state of the server, and the files that /ping is answered from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlberth_serve.control.nginx.config import STATIC_CONF
from mlberth_serve.control.readiness import Readiness, assess
from mlberth_serve.shared.server_state import CAUSES, LOADING, READY, STOPPING, WEDGED, read_state


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
        assert read_state(tmp_path) == state
    assert {path.name for path in tmp_path.iterdir()} == {".ready", "wedged", "stopping"}


def test_nginx_tells_the_same_causes() -> None:
    """nginx.conf has the words of each state as the worker has them that answers without nginx."""
    for state, cause in CAUSES.items():
        assert re.search(
            f'set \\$state {state};\\s+set \\$cause "{re.escape(cause)}";', STATIC_CONF.read_text()
        )


def test_state_changes_without_a_new_file(tmp_path: Path) -> None:
    """A disk may have no room for a name: what is not there at the start is never needed."""
    readiness = Readiness(tmp_path)
    numbers = {path.stat().st_ino for path in tmp_path.iterdir()}
    for state in (LOADING, READY, WEDGED, READY, WEDGED, STOPPING):
        assert readiness.change(state)
        assert {path.stat().st_ino for path in tmp_path.iterdir()} <= numbers


def test_change_that_cannot_be_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The state stays what it was, and the log has one line, however often it is tried."""
    readiness = Readiness(tmp_path)
    readiness.change(LOADING)
    (tmp_path / "ready").mkdir()  # no file takes its place
    for _ in range(3):
        assert not readiness.change(READY)
        assert readiness.state == LOADING
    assert len([record for record in caplog.records if "tried again" in record.message]) == 1
    (tmp_path / "ready").rmdir()
    assert readiness.change(READY)


def test_ready_that_is_taken_away_comes_back(tmp_path: Path) -> None:
    """What cleans a folder for temporary files does not make a server unready for good."""
    readiness = Readiness(tmp_path)
    readiness.change(READY)
    (tmp_path / "ready").unlink()
    assert not readiness.change(READY)
    assert (tmp_path / "ready").exists()
