"""Jobs for the tests of launchers."""

from __future__ import annotations

from typing import Any

from mlberth_train.launch.launchers.cluster import Cluster
from mlberth_train.launch.launchers.launcher import LaunchJob

_CLUSTER = Cluster(
    hosts=["algo-1", "algo-2"],
    current="algo-1",
    processes=1,
    port=7776,
    master_port=7777,
    interface="eth0",
    cpus=8,
    min_hosts=2,
    restarts=0,
)


def launch_job(**fields: Any) -> LaunchJob:
    """Return a job of two hosts with 8 CPUs each, some fields of its cluster changed."""
    return LaunchJob(_CLUSTER._replace(**fields), ["rank"], "python", "job", {})
