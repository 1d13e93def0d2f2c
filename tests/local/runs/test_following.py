"""What a run shows of the job that it follows."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

from mlberth_local.daemon.home import Home
from mlberth_local.jobs.context import enter, new_state
from mlberth_local.runs.following import Follower
from mlberth_local.runs.screen import Screen
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resource, Resources


def test_no_status_is_passed_by(tmp_path: Path) -> None:
    """A short job goes through all of them between two looks: each is a line, in their order."""
    home = Home.of({}, str(tmp_path))
    state = new_state(0, "Starting", "")
    for number, status in enumerate(("Downloading", "Training", "Uploading", "MaxRuntimeExceeded")):
        enter(state, status, "", number)
    job = Resource("training-job", "job", "arn", 0, 0, "Stopped", {}, state, finished=True)
    with closing(Database(tmp_path / "mlberth.sqlite")) as database:
        Resources(database).create(job)
    out, err = io.StringIO(), io.StringIO()
    assert Follower(home, "job", lambda *_: None, Screen(out, err, "run")).run() == job
    passed = ["Starting", "Downloading", "Training", "Uploading", "MaxRuntimeExceeded", "Stopped"]
    assert err.getvalue().splitlines() == [f"run: job {status}" for status in passed]
