"""A daemon that is killed at any moment finds its jobs again, and each ends as it would have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.local.jobs.recovery import COMMITS, check_end, is_long, kill_at_random, request, run_daemon

MOMENTS = [(commit, moment) for commit in range(1, COMMITS + 1) for moment in ("before", "after")]


@pytest.mark.parametrize(("commit", "moment"), MOMENTS if is_long() else MOMENTS[1::2])
def test_a_kill_at_each_commit(tmp_path: Path, commit: int, moment: str) -> None:
    """Nothing is done twice that shows, and nothing is left out."""
    body = json.dumps(request("image"))
    assert run_daemon(tmp_path, "process", body, commit=commit, moment=moment)
    check_end(tmp_path, "process")


def test_commits_are_counted(tmp_path: Path) -> None:
    """A job makes as many commits as are tried here."""
    body = json.dumps(request("image"))
    assert not run_daemon(tmp_path, "process", body, commit=COMMITS + 1, moment="before")
    check_end(tmp_path, "process")


@pytest.mark.parametrize("seed", range(200) if is_long() else range(2))
def test_a_kill_at_any_time(tmp_path: Path, seed: int) -> None:
    """Two daemons are killed at random moments; the third brings the job to its end."""
    kill_at_random(tmp_path, "process", "image", seed)
