"""Tests of the status of warm pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.local.jobs.job_platform import JobPlatform

from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import training_jobs


def config(keep: int | None = 600, **members: Any) -> dict[str, Any]:
    """Return the members of a request whose instances are kept."""
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, **members}
    return {"ResourceConfig": {**resources, **({"KeepAlivePeriodInSeconds": keep} if keep else {})}}


def pool(jobs: JobPlatform, name: str, later: float = 0) -> dict[str, Any] | None:
    """Return the WarmPoolStatus of a job, as it is some time later."""
    clock = jobs.platform.clock
    platform = replace(jobs.platform, clock=lambda: clock() + later)
    found = training_jobs.describe_training_job(platform, {"TrainingJobName": name})
    return found.get("WarmPoolStatus")


def listed(jobs: JobPlatform, status: str, **request: Any) -> list[str]:
    """Return the names of the jobs with a pool of a status, over all pages."""
    names: list[str] = []
    while True:
        page = training_jobs.list_training_jobs(jobs.platform, {"WarmPoolStatusEquals": status, **request})
        names += [one["TrainingJobName"] for one in page["TrainingJobSummaries"]]
        if "NextToken" not in page:
            return names
        request["NextToken"] = page["NextToken"]


def test_a_pool_is_available_reused_and_terminated(jobs: JobPlatform) -> None:
    jobs.train("pass", "none")
    jobs.train("pass", "first", **config())
    assert pool(jobs, "none") is None
    found = pool(jobs, "first", later=100)
    assert found
    assert (found["Status"], 100 <= found["ResourceRetainedBillableTimeInSeconds"] <= 110) == (
        "Available",
        True,
    )
    late = pool(jobs, "first", later=700)
    assert late == {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 600}

    jobs.train("pass", "larger", **config(InstanceType="ml.m5.xlarge"))
    jobs.train("pass", "cold", **config(None))
    found = pool(jobs, "first")
    assert found
    assert found["Status"] == "Available"
    jobs.train("import time; time.sleep(60)", "second", wait=False, **config())
    assert pool(jobs, "second") == {"Status": "InUse"}
    found = pool(jobs, "first")
    assert found
    assert (found["Status"], found["ReusedByJob"]) == ("Reused", "second")
    assert listed(jobs, "Available", MaxResults=1) == ["larger"]
    assert listed(jobs, "InUse") == ["second"]
    assert listed(jobs, "Terminated") == []


def test_a_pool_is_given_up_by_an_update(jobs: JobPlatform) -> None:
    jobs.train("pass", "kept", **config())
    jobs.train("pass", "none")
    change = {"ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}
    training_jobs.update_training_job(jobs.platform, {"TrainingJobName": "kept", **change})
    found = pool(jobs, "kept")
    assert found
    assert found["Status"] == "Terminated"
    with pytest.raises(ServiceError, match="keeps no instances"):
        training_jobs.update_training_job(jobs.platform, {"TrainingJobName": "none", **change})


def test_a_pool_is_kept_for_longer_by_an_update(jobs: JobPlatform) -> None:
    jobs.train("pass", "kept", **config())
    change = {"ResourceConfig": {"KeepAlivePeriodInSeconds": 3600}}
    training_jobs.update_training_job(jobs.platform, {"TrainingJobName": "kept", **change})
    found = pool(jobs, "kept", later=3000)
    assert found
    assert found["Status"] == "Available"
