"""Each job comes to its end: after a kill of its daemon as it would have, after any fault as a failed one."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import JobPlatform, training
from tests.local.jobs.recovery import COMMITS, check_end, is_long, kill_at_random, request, run_daemon

from mlberth_local.engines.base import Limits
from mlberth_local.jobs.context import JobRecord, begin_stopping, new_state
from mlberth_local.jobs.scheduler import Turn
from mlberth_local.jobs.training import KIND, TrainingDriver
from mlberth_local.store.resources import Resource

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


def driver_of(
    jobs: JobPlatform, request: dict[str, Any], kind: type[TrainingDriver] = TrainingDriver
) -> tuple[TrainingDriver, Resource]:
    """Return the driver of a new job that nobody else drives, and the job."""
    context, now = jobs.jobs.context, time.time()
    state = new_state(now, "Starting", "")
    context.resources.create(Resource(KIND, "job", "arn", now, now, "InProgress", request, state))
    record = JobRecord(context, KIND, "job")
    return kind(record, Turn(threading.Event(), (), lambda: None)), record.read()


@pytest.mark.parametrize(
    "phase",
    ["begin", "prepare", "make_run", "note_running", "side_work", "note_uploading", "upload", "end"],
)
def test_a_fault_of_a_phase(jobs: JobPlatform, caplog: pytest.LogCaptureFixture, phase: str) -> None:
    """Whatever goes wrong, the job has failed, says so, and nothing of it is left; the log has the cause."""

    def fail(*_: Any) -> None:
        raise AttributeError("an unexpected one")

    driver, _ = driver_of(jobs, training(""), type("Faulty", (TrainingDriver,), {phase: fail}))
    driver.drive()
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("InternalServerError: AttributeError: an unexpected one")
    assert "in fail" in caplog.text


def test_limits_of_instance_groups(tmp_path: Path) -> None:
    """Each host has those of its own type, if types are limits."""
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2},
    ]
    members = training("", ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1})
    for switch, expected in [("true", [Limits(2, 8 << 30), *[Limits(4, 8 << 30)] * 2]), ("", [None] * 3)]:
        platform = JobPlatform(
            tmp_path / f"home{switch}",
            MLBERTH_CPUS="64",
            MLBERTH_MEMORY_GB="64",
            MLBERTH_INSTANCE_LIMITS=switch,
        )
        with closing(platform) as jobs:
            driver, job = driver_of(jobs, members)
            assert [host.limits for host in driver.make_run(job).hosts] == expected
            driver.drive()


def test_a_stop_just_before_the_programs_start(jobs: JobPlatform) -> None:
    """They are not started any more: no status comes after Stopping but the last one."""
    prepared = threading.Event()

    class Prepared(TrainingDriver):
        def prepare(self, job: Resource) -> None:
            super().prepare(job)
            prepared.set()

    def clock() -> float:
        if prepared.is_set():  # between the last look at the record and its change
            prepared.clear()
            with context.resources.changing(KIND, "job") as job:
                begin_stopping(job, time.time())
        return time.time()

    context = jobs.jobs.context
    driver, _ = driver_of(jobs, training("print('started')"), Prepared)
    driver.context = replace(context, clock=clock)
    driver.drive()
    found = jobs.describe()
    statuses = [one["Status"] for one in found["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Stopping", "Stopped"]
    assert jobs.lines() == {}
