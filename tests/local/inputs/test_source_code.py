"""The source of a script-mode job, brought into its tree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.archives import packed
from tests.local.jobs.job_platform import BUCKET, JobPlatform

PROGRAM = "import os\nprint('ran', os.environ['SM_MODULE_DIR'])\n"
NO_ENTRYPOINT: dict[str, Any] = {"ContainerEntrypoint": []}
NO_S3 = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "S3_ENDPOINT_URL": "http://127.0.0.1:1"}
"""Nothing listens there."""


def run(jobs: JobPlatform, key: str, **members: Any) -> dict[str, Any]:
    """Run a job whose source is an object, where nothing answers for S3."""
    return jobs.train(
        "",
        AlgorithmSpecification=NO_ENTRYPOINT,
        HyperParameters={
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/{key}"),
        },
        Environment={**NO_S3, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        **members,
    )


@pytest.mark.parametrize("key", ["code/source.tar.gz", "a b/ü/source.tar.gz", "train.py"])
def test_source_is_there_before_the_program(jobs: JobPlatform, key: str) -> None:
    """The program is found with no S3 to ask, on each host, and sees the address that the job has."""
    jobs.put(key, PROGRAM if key.endswith(".py") else packed("train.py", PROGRAM))
    two = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    found = run(jobs, key, ResourceConfig=two)
    assert found["TrainingJobStatus"] == "Completed", found
    lines = jobs.lines()
    assert set(lines) == {"algo-1", "algo-2"}
    assert all(f"ran s3://{BUCKET}/{key}" in said for said in lines.values())


def test_no_such_source(jobs: JobPlatform) -> None:
    """`train` asks S3, and says what it was told."""
    found = run(jobs, "none.tar.gz")
    assert found["TrainingJobStatus"] == "Failed"
    assert f"s3://{BUCKET}/none.tar.gz" in found["FailureReason"]


def test_wrong_source(jobs: JobPlatform) -> None:
    """What is wrong with it is said."""
    jobs.put("source.tar.gz", b"PK\x03\x04")
    reason = run(jobs, "source.tar.gz")["FailureReason"]
    assert "source.tar.gz: found damage" in reason


def test_isolated_job_has_no_source(jobs: JobPlatform) -> None:
    """As on the platform, it cannot reach S3: its code has to be in the image or in a channel."""
    jobs.put("train.py", PROGRAM)
    found = run(jobs, "train.py", EnableNetworkIsolation=True)
    assert found["TrainingJobStatus"] == "Failed"
    assert f"s3://{BUCKET}/train.py" in found["FailureReason"]
