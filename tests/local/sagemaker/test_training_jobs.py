"""The requests of training jobs, and the answers to them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.local.jobs.job_platform import JobPlatform, channel, training

from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import training_jobs


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ({"AlgorithmSpecification": {"TrainingImage": ""}}, "TrainingImage or AlgorithmName is required"),
        (
            {"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "loss", "Regex": "("}]}},
            "the Regex of loss is not valid",
        ),
        (
            {"ResourceConfig": None},
            "Value null at 'resourceConfig' failed to satisfy constraint",
        ),
        (
            {"OutputDataConfig": None},
            "Value null at 'outputDataConfig' failed to satisfy constraint",
        ),
        ({"ResourceConfig": {}}, "InstanceType or InstanceGroups is required"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        ({"CheckpointConfig": {"S3Uri": "s3://b", "LocalPath": "/tmp/x"}}, "must be below /opt/ml"),
        *(
            ({"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": path}}, cause)
            for path, cause in [
                ("/opt/ml//etc", "must be below /opt/ml"),
                ("/opt/ml/", "must be below /opt/ml"),
                ("/opt/ml", "must be below /opt/ml"),
                ("/opt/ml/a/../../../etc", "must be below /opt/ml"),
                ("/opt/ml/./..", "must be below /opt/ml"),
                ("/opt/ml/a//b", "must be below /opt/ml"),
                ("/opt/ml/a/./b", "must be below /opt/ml"),
                ("/opt/ml/a//", "must be below /opt/ml"),
                ("/opt/ml/a\0b", "must be below /opt/ml"),
                (f"/opt/ml/{'x' * 256}", "must be below /opt/ml"),
                ("/opt/ml" + "/x" * 600, "must be below /opt/ml, of at most 1024 characters"),
                ("/opt/ml/input", "has contents of its own"),
                ("/opt/ml/input/config/", "has contents of its own"),
                ("/opt/ml/model/", "has contents of its own"),
                ("/opt/ml/output", "has contents of its own"),
            ]
        ),
        ({"CheckpointConfig": {"S3Uri": "x"}}, "CheckpointConfig.S3Uri: 'x' is not an S3 URI"),
        ({"OutputDataConfig": {"S3OutputPath": "out"}}, "OutputDataConfig.S3OutputPath: 'out' is not"),
        ({"InputDataConfig": [channel("a", "x"), channel("a", "y")]}, "two channels are called a"),
        (
            {"InputDataConfig": [{"ChannelName": "a", "DataSource": {"FileSystemDataSource": {}}}]},
            "S3DataSource is required",
        ),
        (
            {"InputDataConfig": [channel("a", "x", S3DataType="AugmentedManifestFile")]},
            "AttributeNames is required",
        ),
        (
            {"InputDataConfig": [channel("a", "x", S3DataType="Converse")]},
            "InputDataConfig.a: S3DataType Converse is not carried out here; use S3Prefix, ManifestFile",
        ),
        *(({"InputDataConfig": [channel(name, "x")]}, "is no name of a folder") for name in (".", "..")),
    ],
)
def test_faulty_requests(jobs: JobPlatform, members: dict[str, Any], cause: str) -> None:
    """They are refused before anything starts."""
    with pytest.raises(ServiceError, match=cause):
        training_jobs.create_training_job(jobs.platform, training("", **members))
    assert training_jobs.list_training_jobs(jobs.platform, {}) == {"TrainingJobSummaries": []}


@pytest.mark.parametrize("groups", [False, True])
def test_more_instances_than_one_machine_can_have(jobs: JobPlatform, groups: bool) -> None:
    """Even to count them would fill its memory."""
    size = {"InstanceType": "ml.m5.large", "InstanceCount": 2**62}
    config = {"InstanceGroups": [{**size, "InstanceGroupName": "g"}]} if groups else size
    request = training("", ResourceConfig={**config, "VolumeSizeInGB": 1})
    with pytest.raises(ServiceError, match=r"ResourceLimitExceeded.*expected at most 100"):
        training_jobs.create_training_job(jobs.platform, request)


def test_names(jobs: JobPlatform) -> None:
    """A name is taken once; what is not there is not found; what has ended cannot be stopped."""
    jobs.train("")
    with pytest.raises(ServiceError, match="ResourceInUse: Job name must be unique"):
        jobs.train("")
    for operation in (training_jobs.describe_training_job, training_jobs.stop_training_job):
        with pytest.raises(ServiceError, match="ValidationException: Requested resource not found"):
            operation(jobs.platform, {"TrainingJobName": "none"})
    with pytest.raises(ServiceError, match="the training job is in status Completed"):
        training_jobs.stop_training_job(jobs.platform, {"TrainingJobName": "job"})
    with pytest.raises(ServiceError, match="Only a training job that trains can be interrupted"):
        training_jobs.interrupt_training_job(jobs.platform, {"TrainingJobName": "job"})


def test_lists(jobs: JobPlatform) -> None:
    """Pages follow one another; filters and orders are the service's."""
    for name in ("a", "b", "c"):
        jobs.train("", name)

    def names(**request: Any) -> list[str]:
        page = training_jobs.list_training_jobs(jobs.platform, request)
        found = [summary["TrainingJobName"] for summary in page["TrainingJobSummaries"]]
        return found + (names(**{**request, "NextToken": page["NextToken"]}) if "NextToken" in page else [])

    assert names() == ["a", "b", "c"]
    assert names(MaxResults=1, SortOrder="Descending") == ["c", "b", "a"]
    assert names(NameContains="b", SortBy="Name") == ["b"]
    assert names(StatusEquals="Failed") == []
    with pytest.raises(ServiceError, match="NextToken"):
        names(NextToken="x")
