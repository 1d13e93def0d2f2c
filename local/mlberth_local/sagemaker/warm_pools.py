"""Warm pools: the instances that a job with KeepAlivePeriodInSeconds leaves for the next one of its kind.

Nothing is held back for them on this machine, where a job starts within a second: a pool is its status.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlberth_local.jobs.training import KIND
from mlberth_local.platform import Platform
from mlberth_local.store.resources import Query, Resource

_LOOKED_AT = 100
"""Of the newest jobs: those before them have hardly a pool left."""
_MATCHING = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId", "InstanceGroups")
_MATCHING_MEMBERS = (
    "RoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
)


def status(job: Resource, now: float) -> dict[str, Any] | None:
    """Return the WarmPoolStatus of a job; None if it keeps no instances."""
    keep = keep_seconds(job)
    if not keep and "pool_ended" not in job.state:
        return None
    if not job.finished:
        return {"Status": "InUse"}
    began = job.state.get("ended", job.modified)
    ended = job.state.get("pool_ended", began + keep)
    reused_by = job.state.get("pool_reused_by")
    found = "Reused" if reused_by else "Available" if now < ended else "Terminated"
    answer = {
        "Status": found,
        "ResourceRetainedBillableTimeInSeconds": math.ceil(max(min(now, ended) - began, 0)),
    }
    return {**answer, "ReusedByJob": reused_by} if reused_by else answer


def keep_seconds(job: Resource) -> float:
    """Return how long a job's instances are kept after it."""
    config = job.request["ResourceConfig"]
    return float(job.state.get("keep_alive", config.get("KeepAlivePeriodInSeconds") or 0))


def take(platform: Platform, request: Mapping[str, Any], now: float) -> None:
    """Note that a new job uses the newest pool that fits it, if there is one."""
    if not request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        return
    query = Query(KIND, sort_by="modified", limit=_LOOKED_AT)
    for job in platform.jobs.context.resources.list(query)[0]:
        pool = status(job, now)
        if pool and pool["Status"] == "Available" and _fits(job.request, request):
            _end(platform, job.name, now, request["TrainingJobName"])
            return


def _fits(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    mine, yours = one["ResourceConfig"], other["ResourceConfig"]
    same_members = all(one.get(name) == other.get(name) for name in _MATCHING_MEMBERS)
    return same_members and all(mine.get(name) == yours.get(name) for name in _MATCHING)


def _end(platform: Platform, name: str, now: float, reused_by: str) -> None:
    def apply(job: Resource) -> None:
        job.state |= {"pool_ended": now, "pool_reused_by": reused_by}

    platform.jobs.change(KIND, name, apply)


def keep(job: Resource, seconds: int, now: float) -> None:
    """Note that a job's instances are to be kept for another time; 0 ends its pool. For `Jobs.change`."""
    if not seconds and job.finished:
        job.state.setdefault("pool_ended", now)
    job.state["keep_alive"] = seconds
