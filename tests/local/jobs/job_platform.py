"""A platform without its API, for tests of jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlberth_local import log_files
from mlberth_local.jobs.jobs import Jobs
from mlberth_local.jobs.opening import open_jobs
from mlberth_local.platform import Platform, Settings
from mlberth_local.sagemaker import processing_jobs, training_jobs
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources

BUCKET = "bucket"


class JobPlatform:
    """The jobs of a home, with a bucket."""

    def __init__(
        self,
        home: Path,
        *,
        engine: str = "process",
        stop_seconds: float = 120.0,
        measure_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        **environ: str,
    ) -> None:
        settings = Settings(engine=engine, environ={**os.environ, "MLBERTH_CPUS": "4", **environ})
        self._database = Database(home / "db")
        platform = Platform(home, settings, clock)
        resources, metrics = Resources(self._database), Metrics(self._database)
        opened = open_jobs(platform, resources, metrics, host_environ={"FROM_PLATFORM": "1"})
        self.jobs = Jobs(replace(opened.context, stop_seconds=stop_seconds, measure_seconds=measure_seconds))
        self.platform = replace(platform, jobs=self.jobs)
        self.home = home
        self.bucket = home / "s3" / BUCKET
        self.bucket.mkdir(parents=True, exist_ok=True)
        self.jobs.start()

    def close(self) -> None:
        """End all jobs, and see that nothing is left of them."""
        assert self.jobs.stop_all(5)
        assert self.jobs.context.engine.names() == set()
        assert self.jobs.context.helpers.names() == set()
        self.jobs.context.close()
        runs = self.home / "runs"
        assert not runs.exists() or list(runs.iterdir()) == []
        self._database.close()

    def put(self, key: str, content: str | bytes) -> None:
        """Make an object, as a person does it."""
        path = self.bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def train(self, program: str, name: str = "job", *, wait: bool = True, **members: Any) -> dict[str, Any]:
        """Start a training job with a Python program; returns its description at the end."""
        training_jobs.create_training_job(self.platform, training(program, name, **members))
        if wait:
            assert self.jobs.join(60)
        return self.describe(name)

    def describe(self, name: str = "job") -> dict[str, Any]:
        """Return what DescribeTrainingJob answers."""
        return training_jobs.describe_training_job(self.platform, {"TrainingJobName": name})

    def process(
        self, program: str, name: str = "job", *, wait: bool = True, **members: Any
    ) -> dict[str, Any]:
        """Start a processing job with a Python program; returns its description at the end."""
        app = {"ImageUri": "image", "ContainerEntrypoint": ["python3", "-c", program]}
        request = {
            "ProcessingJobName": name,
            "AppSpecification": {**app, **members.pop("AppSpecification", {})},
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
            **members,
        }
        processing_jobs.create_processing_job(self.platform, request)
        if wait:
            assert self.jobs.join(60)
        return self.describe_processing(name)

    def describe_processing(self, name: str = "job") -> dict[str, Any]:
        """Return what DescribeProcessingJob answers."""
        return processing_jobs.describe_processing_job(self.platform, {"ProcessingJobName": name})

    def lines(self, name: str = "job", group: str = "TrainingJobs") -> dict[str, list[str]]:
        """Return the messages of a job by host."""
        folder, full = self.platform.log_folder, f"/aws/sagemaker/{group}"
        return {
            stream.split("/")[1].rpartition("-")[0]: [
                event.message for event in log_files.read_events(log_files.stream_file(folder, full, stream))
            ]
            for stream in log_files.streams(folder, full, f"{name}/")
        }


def training(program: str, name: str = "job", **members: Any) -> dict[str, Any]:
    """Return a request of CreateTrainingJob for a Python program; `members` replace its own."""
    algorithm = {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python3", "-c", program],
        **members.pop("AlgorithmSpecification", {}),
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": algorithm,
        "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **members,
    }


def channel(name: str, key: str, **members: Any) -> dict[str, Any]:
    """Return an entry of InputDataConfig; members of S3DataSource go there."""
    inside = ("S3DataType", "S3DataDistributionType", "AttributeNames", "InstanceGroupNames")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{key}"}
    source |= {name: members.pop(name) for name in inside if name in members}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **members}
