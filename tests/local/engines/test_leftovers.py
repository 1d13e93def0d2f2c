"""Leftovers, and other jobs whose engine goes away for a while."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.local.engines.silence import silence
from tests.local.jobs.job_platform import JobPlatform
from tests.support import wait_until


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return the jobs of a home, of which nothing is left at the end."""
    with closing(JobPlatform(tmp_path / "home")) as found:
        yield found


def test_an_engine_that_is_away_while_a_program_runs(jobs: JobPlatform, tmp_path: Path) -> None:
    """The job is taken up where it is when the engine is back."""
    program = (
        "import pathlib, time\n"
        "print('begun', flush=True)\n"
        f"while not pathlib.Path('{tmp_path}/go').exists(): time.sleep(0.05)\n"
        f"pathlib.Path('{tmp_path}/done').touch()\n"
    )
    jobs.train(program, wait=False)
    wait_until(lambda: jobs.lines().get("algo-1") == ["begun"])
    with silence(jobs.jobs.context.engine):
        (tmp_path / "go").touch()
        wait_until((tmp_path / "done").exists)
    assert jobs.jobs.join(60)
    assert jobs.describe()["TrainingJobStatus"] == "Completed"


def test_an_engine_that_is_away_when_a_job_ends(jobs: JobPlatform) -> None:
    """The end is told at once; what the engine still has is removed as soon as it can be."""
    engine = jobs.jobs.context.engine
    with silence(engine, "remove"):
        assert jobs.train("print('trained')")["TrainingJobStatus"] == "Completed"
        assert engine.names() == {"training-job.job.1"}
    wait_until(lambda: engine.names() == set() and not list((jobs.home / "runs").iterdir()))


def test_an_engine_that_ends_what_it_runs(jobs: JobPlatform) -> None:
    """A program that was killed while the engine was away has not failed by itself: the reason says so."""
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    jobs.train(program, wait=False)
    wait_until(lambda: jobs.lines().get("algo-1"))
    with silence(jobs.jobs.context.engine) as refused:
        wait_until(lambda: "states" in refused)
        os.kill(int(jobs.lines()["algo-1"][0]), signal.SIGKILL)
        wait_until((jobs.home / "engine/training-job.job.1/algo-1/exit.json").exists)
    assert jobs.jobs.join(60)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"] == (
        "InternalServerError: algo-1: the container engine was stopped or restarted, which ended its program "
        "(exit code 137)"
    )
