"""The account of requests for Slurm."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth.errors import ContractError
from mlberth_local.render.coverage import unaccounted
from mlberth_local.render.request_files import PROCESSING, TRAINING, Request, input_shape
from mlberth_local.render.slurm.coverage import COVERAGE
from mlberth_local.render.slurm.renderer import render


@pytest.mark.parametrize("operation", [TRAINING, PROCESSING])
def test_every_parameter_is_carried_over_or_named(operation: str) -> None:
    """What a new version of the service's model adds has to be decided."""
    shape, coverage = input_shape(operation), COVERAGE[operation]
    assert unaccounted(shape, coverage) == []
    assert not set(coverage.carried) & set(coverage.left_out)
    for path in (*coverage.carried, *coverage.left_out):
        node = shape
        for name in path.split("."):
            node = node.member if node.type_name == "list" else node
            node = node.members[name]


def channel(name: str, source: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    """Return an entry of InputDataConfig."""
    return {
        "ChannelName": name,
        "DataSource": source or {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/x"}},
        **more,
    }


def test_what_a_job_cannot_do_without_is_refused() -> None:
    """All of it at once: a script that leaves it out would train something else."""
    augmented = {"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/x"}}
    request = {
        "TrainingJobName": "x",
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "Pipe"},
        "InputDataConfig": [
            channel("a", InputMode="Pipe"),
            channel("b", {"FileSystemDataSource": {}}, InputMode="File"),
            channel("..", augmented),
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
        "ResourceConfig": {"InstanceGroups": [{"InstanceGroupName": "g"}]},
        "Environment": {"UID": "0", "A": "\0"},
    }
    with pytest.raises(ContractError) as caught:
        render([Request(TRAINING, request)])
    told = str(caught.value)
    for part in (
        "InputDataConfig[0].InputMode: found Pipe",
        "InputDataConfig[1].DataSource: found FileSystemDataSource",
        "InputDataConfig[2].ChannelName: found '..'",
        "InputDataConfig[2].DataSource.S3DataSource.S3DataType: found AugmentedManifestFile",
        "AlgorithmSpecification.TrainingInputMode: found Pipe",
        "ResourceConfig.InstanceGroups",
        "Environment: found UID",
        r"Environment.A: found '\x00'",
    ):
        assert part in told


def test_a_processing_job_stays_in_its_tree() -> None:
    """A path elsewhere would be the node's own."""
    request = {
        "ProcessingJobName": "x",
        "AppSpecification": {"ImageUri": "i"},
        "ProcessingInputs": [
            {"InputName": "a", "S3Input": {"S3Uri": "s3://b/a", "LocalPath": "/opt/ml/processing/../../etc"}},
            {"InputName": "b", "DatasetDefinition": {}},
            {"InputName": "c", "S3Input": {"S3Uri": "s3://b/a", "LocalPath": "-x", "S3InputMode": "Pipe"}},
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {"OutputName": "o", "S3Output": {"S3Uri": "s3://b/o", "LocalPath": "/home"}},
                {"OutputName": "p", "FeatureStoreOutput": {}},
            ]
        },
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1}},
    }
    with pytest.raises(ContractError) as caught:
        render([Request(PROCESSING, request)])
    told = str(caught.value)
    for part in (
        "ProcessingInputs[0].S3Input.LocalPath",
        "ProcessingInputs[1]: found DatasetDefinition",
        "ProcessingInputs[2].S3Input.S3InputMode: found Pipe",
        "ProcessingInputs[2].S3Input.LocalPath: found '-x'",
        "Outputs[0].S3Output.LocalPath: found '/home'",
        "Outputs[1]: found FeatureStoreOutput",
    ):
        assert part in told
