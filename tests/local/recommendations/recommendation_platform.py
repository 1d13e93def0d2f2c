"""A platform without its API, for tests of recommendation jobs: a model of scikit-learn and its samples."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
from sklearn.linear_model import LogisticRegression
from tests.local.endpoints.endpoint_platform import BUCKET, ENVIRONMENT, EndpointPlatform

from mlberth_local import log_files
from mlberth_local.recommendations.context import RecommendationContext, Times
from mlberth_local.recommendations.recommender import Recommender
from mlberth_local.recommendations.record import KIND, LOG_GROUP, LOG_STREAM
from mlberth_local.sagemaker import models
from mlberth_local.sagemaker.recommendation_jobs import OPERATIONS

ROLE = "arn:aws:iam::000000000000:role/mlberth"


class RecommendationPlatform(EndpointPlatform):
    """The recommendation jobs of a home, on the process engine."""

    def __init__(self, home: Path, **how: Any) -> None:
        super().__init__(home, **how)
        context = RecommendationContext(self.endpoints, self.platform.arn, os.environ, times=Times(stage=0.3))
        self.recommender = Recommender(context)
        self.platform = replace(self.platform, recommender=self.recommender)
        self.recommender.start()

    def close(self) -> None:
        """End all jobs, and see that nothing is left of them."""
        assert self.recommender.stop_all(60)
        super().close()

    def sklearn_model(self, name: str, **environ: str) -> None:
        """Make a model that says on which side of 0 a number is."""
        path = self.home / "model.joblib"
        joblib.dump(LogisticRegression().fit([[-1.0], [1.0]], [0, 1]), path)
        self.pack(f"{name}.tar.gz", path)
        container = {
            "Image": self.image,
            "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz",
            "Environment": {**ENVIRONMENT, **environ},
        }
        models.create_model(self.platform, {"ModelName": name, "PrimaryContainer": container})

    def samples(self, *bodies: str) -> str:
        """Make an archive of samples; returns its address."""
        paths = []
        for number, body in enumerate(bodies):
            path = self.home / f"{number}.csv"
            path.write_text(body)
            paths.append(path)
        return self.pack("samples.tar.gz", *paths)

    def pack(self, name: str, *paths: Path) -> str:
        """Make an archive of files an object; returns its address."""
        with tarfile.open(self.bucket / name, "w:gz") as tar:
            for path in paths:
                tar.add(path, path.name)
        return f"s3://{BUCKET}/{name}"

    def request(self, job: str, model: str, samples: str, **config: Any) -> dict[str, Any]:
        """Return a request with a test of one second of one user; `config` is more of InputConfig."""
        stairs = {"DurationInSeconds": 1, "NumberOfSteps": 1, "UsersPerStep": 1}
        given = {
            "ModelName": model,
            "ContainerConfig": {
                "PayloadConfig": {"SamplePayloadUrl": samples, "SupportedContentTypes": ["text/csv"]}
            },
            "EndpointConfigurations": [{"InstanceType": "ml.m5.large"}],
            "TrafficPattern": {"TrafficType": "STAIRS", "Stairs": stairs},
        }
        return {"JobName": job, "JobType": "Advanced", "RoleArn": ROLE, "InputConfig": {**given, **config}}

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Return what an operation answers."""
        return OPERATIONS[operation](self.platform, request)

    def run(self, request: dict[str, Any], **members: Any) -> dict[str, Any]:
        """Return the description of a job that has ended; nothing is left of its instances."""
        self.call("CreateInferenceRecommendationsJob", **request, **members)
        return self.finish(request["JobName"])

    def finish(self, job: str) -> dict[str, Any]:
        """Return the description of a job when all have ended."""
        assert self.recommender.join(120)
        assert self.endpoints.context.parts.engine.names() == set()
        assert self.endpoints.context.parts.resources.unfinished("endpoint") == []
        assert list((self.home / "runs").glob(f"{KIND}*")) == []
        return self.call("DescribeInferenceRecommendationsJob", JobName=job)

    def steps(self, job: str, **request: Any) -> list[dict[str, Any]]:
        """Return the steps of a job."""
        found: list[dict[str, Any]] = self.call(
            "ListInferenceRecommendationsJobSteps", JobName=job, **request
        )["Steps"]
        return found

    def log(self, job: str) -> list[str]:
        """Return the lines of a job's log."""
        path = log_files.stream_file(self.platform.log_folder, LOG_GROUP, f"{job}/{LOG_STREAM}")
        return [event.message for event in log_files.read_events(path)]
