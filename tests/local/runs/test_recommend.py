"""Tests of the requests that the flags of `mlberth recommend` make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlberth.errors import ContractError
from mlberth_local.runs.plan import Plan
from mlberth_local.runs.recommend import make_plan, parser


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that we are in, with a model and samples."""
    for name in ("model/weights", "rows/a.json", "rows/b.json", "row.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*words: str) -> Plan:
    """Return the plan of a command."""
    return make_plan(parser().parse_args([*words, "--name", "n"]), "eu-west-1")


@pytest.mark.usefixtures("folder")
def test_a_model_of_the_platform() -> None:
    """It is tested as it is; without flags, in what configurations the job chooses."""
    made = plan("my-model", "--sample", "row.csv", "--p99", "30", "--tests", "4")
    address = "s3://sagemaker-eu-west-1-000000000000/n/samples.tar.gz"
    assert made.before == []
    assert [(one.source, one.address, one.packed) for one in made.uploads] == [
        (Path("row.csv"), address, True)
    ]
    payload = {"SamplePayloadUrl": address, "SupportedContentTypes": ["text/csv"]}
    assert made.request == {
        "JobName": "n",
        "JobType": "Default",
        "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
        "InputConfig": {
            "ModelName": "my-model",
            "ContainerConfig": {"PayloadConfig": payload},
            "ResourceLimit": {"MaxNumberOfTests": 4},
        },
        "StoppingConditions": {"ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 30}]},
    }


@pytest.mark.usefixtures("folder")
def test_files_become_a_model() -> None:
    """With an image and variables; what is to be tested is each type with each value."""
    words = (
        "--instance-type",
        "ml.c5.large",
        "ml.m5.large",
        "--vary",
        "A=1,2",
        "B=x",
        "--accept",
        "text/csv",
    )
    made = plan("model", "--sample", "rows", "--image", "torch", "--environment", "C=3", *words)
    [(operation, model)] = made.before
    assert (operation, model["ModelName"]) == ("CreateModel", "n")
    assert model["PrimaryContainer"] == {
        "Image": "mlberth-serve:torch",
        "ModelDataUrl": "s3://sagemaker-eu-west-1-000000000000/n/model/model.tar.gz",
        "Environment": {"C": "3"},
    }
    config = made.request["InputConfig"]
    assert made.request["JobType"] == "Advanced"
    assert config["ContainerConfig"]["PayloadConfig"]["SupportedContentTypes"] == ["application/json"]
    assert config["ContainerConfig"]["SupportedResponseMIMETypes"] == ["text/csv"]
    ranges = {
        "CategoricalParameterRanges": [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x"]}]
    }
    assert config["EndpointConfigurations"] == [
        {"InstanceType": name, "EnvironmentParameterRanges": ranges}
        for name in ("ml.c5.large", "ml.m5.large")
    ]


def test_addresses_are_taken_as_they_are() -> None:
    """Nothing is sent that is in a bucket already."""
    made = plan("s3://b/model.tar.gz", "--sample", "s3://b/samples.tar.gz", "--content-type", "text/plain")
    assert made.uploads == []
    container: dict[str, Any] = made.before[0][1]["PrimaryContainer"]
    assert container["ModelDataUrl"] == "s3://b/model.tar.gz"
    payload = made.request["InputConfig"]["ContainerConfig"]["PayloadConfig"]
    assert payload == {"SamplePayloadUrl": "s3://b/samples.tar.gz", "SupportedContentTypes": ["text/plain"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model", "--sample", "none.csv"], "--sample: found 'none.csv'"),
        (["model", "--sample", "empty"], "--sample: found empty, an empty folder"),
        (["./none", "--sample", "row.csv"], "MODEL: found './none'"),
        (["model", "--sample", "row.csv", "--vary", "A=1"], "--vary: found without --instance-type"),
        (["model", "--sample", "row.csv", "--vary", "A"], "--vary: found 'A'; expected NAME=VALUE"),
        (["model", "--sample", "row.csv", "--environment", "A=1", "A=2"], "--environment: found A twice"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_flags_that_are_not_valid(words: list[str], message: str) -> None:
    """Each is named, with what was expected."""
    with pytest.raises(ContractError, match=message):
        plan(*words)
