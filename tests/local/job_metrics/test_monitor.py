"""Metrics of jobs that run, with real processes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import JobPlatform
from tests.support import wait_until

from mlberth_local.store.metrics import Series

UTILIZATION = ["CPUUtilization", "DiskUtilization", "MemoryUtilization"]
BUSY = "import os, time\nwhile not os.path.exists('/opt/ml/output/go'): pass\n"
TWO_HOSTS = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}


def values(jobs: JobPlatform, series: Series) -> list[float]:
    """Return the values of a metric."""
    periods = jobs.jobs.context.metrics.periods(series, 0, 1e12, 1e12)
    return [point.sum for period in periods for point in period.points]


def let_go(jobs: JobPlatform, run: str) -> None:
    """Let the programs of a run end."""
    for host in (jobs.home / "runs" / run).glob("algo-?"):
        (host / "output/go").touch()
    assert jobs.jobs.join(60)


@pytest.mark.parametrize("kind", ["Training", "Processing"])
def test_hosts_are_measured(tmp_path: Path, kind: str) -> None:
    """Each has its own CPU, memory and disk, in the namespace of its kind of job."""
    namespace = f"/aws/sagemaker/{kind}Jobs"
    with closing(JobPlatform(tmp_path, measure_seconds=0.1)) as jobs:
        if kind == "Training":
            jobs.train(BUSY, ResourceConfig=TWO_HOSTS, wait=False)
        else:
            jobs.process(BUSY, ProcessingResources={"ClusterConfig": TWO_HOSTS}, wait=False)
        hosts = [f"job/algo-{number}" for number in (1, 2)]

        def found() -> dict[str, list[str]]:
            series = jobs.jobs.context.metrics.series(namespace)
            return {host: [one.name for one in series if one.dimensions == {"Host": host}] for host in hosts}

        wait_until(lambda: found() == dict.fromkeys(hosts, UTILIZATION), message=lambda: str(found()))
        let_go(jobs, f"{kind.lower()}-job.job.1")
        for host in hosts:
            for name in UTILIZATION:
                assert 0 < max(values(jobs, Series(namespace, name, {"Host": host}))) <= 6400


def test_what_a_program_prints_is_published_while_it_runs(tmp_path: Path) -> None:
    """Nobody has to wait for the end of the job, and each value is there once."""
    series = Series("/aws/sagemaker/TrainingJobs", "loss", {"TrainingJobName": "job"})
    algorithm: dict[str, Any] = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}
    with closing(JobPlatform(tmp_path, measure_seconds=0.1)) as jobs:
        program = "print('loss=2', flush=True)\n" + BUSY + "print('loss=1')\n"
        jobs.train(program, AlgorithmSpecification=algorithm, wait=False)
        wait_until(lambda: values(jobs, series) == [2])
        assert jobs.describe()["TrainingJobStatus"] == "InProgress"
        let_go(jobs, "training-job.job.1")
        assert values(jobs, series) == [2, 1]
        assert jobs.describe()["FinalMetricDataList"][0]["Value"] == 1
