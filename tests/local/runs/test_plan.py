"""Tests of the requests that flags become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from mlberth.errors import ContractError
from mlberth_local.runs.command import make_plan
from mlberth_local.runs.flags import parser_of
from mlberth_local.runs.plan import Plan, job_name, pairs

BUCKET = "sagemaker-eu-west-1-000000000000"
SAGEMAKER = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two programs and some data, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("code/train.py", "code/process.py", "data/a.csv", "data/b.csv", "model.tar.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path


def plan_of(kind: str, *words: str) -> Plan:
    """Return what flags mean; each request is one that boto3 would send."""
    chosen = parser_of(kind).parse_args([*words, "--name", "job"])
    plan = make_plan(kind, chosen, "eu-west-1", getattr(chosen, "model", ""))
    for operation, request in [*plan.before, (plan.operation, plan.request)]:
        shape = SAGEMAKER.operation_model(operation).input_shape
        assert not ParamValidator().validate(request, shape).has_errors()
    return plan


def addresses(plan: Plan) -> dict[str, str]:
    """Return the uploads of a plan by path."""
    return {str(upload.source): upload.address for upload in plan.uploads}


def channel(plan: Plan, name: str) -> dict[str, Any]:
    """Return a channel of a plan."""
    [found] = [one for one in plan.request["InputDataConfig"] if one["ChannelName"] == name]
    return dict(found)


@pytest.mark.usefixtures("project")
def test_a_project_is_trained_as_the_sdk_does_it() -> None:
    words = (
        "code",
        "--image",
        "xgboost",
        "--input",
        "train=data",
        "test=s3://b/t",
        "--hyperparameters",
        "n=3",
    )
    plan = plan_of("train", *words, "--output", "out")
    assert addresses(plan) == {
        "data": f"s3://{BUCKET}/job/input/train/",
        "code": f"s3://{BUCKET}/job/source/sourcedir.tar.gz",
    }
    assert plan.request["AlgorithmSpecification"]["TrainingImage"] == "mlberth-train:xgboost"
    assert plan.request["HyperParameters"] == {
        "n": "3",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": f"s3://{BUCKET}/job/source/sourcedir.tar.gz",
    }
    assert plan.request["OutputDataConfig"] == {"S3OutputPath": f"s3://{BUCKET}/"}
    assert channel(plan, "train")["ContentType"] == "text/csv"
    assert channel(plan, "test")["DataSource"]["S3DataSource"]["S3Uri"] == "s3://b/t"
    assert [(one.address, str(one.target)) for one in plan.downloads] == [
        (f"s3://{BUCKET}/job/output/", "out")
    ]


@pytest.mark.usefixtures("project")
def test_an_isolated_job_gets_its_code_as_a_channel() -> None:
    plan = plan_of("train", "code", "--isolated")
    source = plan.request["HyperParameters"]["sagemaker_submit_directory"]
    assert source == "/opt/ml/input/data/code/sourcedir.tar.gz"
    assert channel(plan, "code")["DataSource"]["S3DataSource"]["S3Uri"].startswith(
        f"s3://{BUCKET}/job/source"
    )


@pytest.mark.usefixtures("project")
def test_training_without_code_has_no_program() -> None:
    plan = plan_of("train", "--image", "me/own:1", "--input", "data/a.csv", "--spot", "--max-seconds", "60")
    assert plan.request["HyperParameters"] == {}
    assert plan.request["AlgorithmSpecification"]["TrainingImage"] == "me/own:1"
    assert channel(plan, "training")["ContentType"] == "text/csv"
    condition = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}
    assert plan.request["StoppingCondition"] == condition
    assert addresses(plan) == {"data/a.csv": f"s3://{BUCKET}/job/input/training/a.csv"}


@pytest.mark.usefixtures("project")
def test_a_processing_job_has_inputs_outputs_and_arguments() -> None:
    words = (
        "code",
        "--input",
        "raw=data",
        "--output",
        "clean=made",
        "far=s3://b/far",
        "--arguments",
        "--a",
        "1",
    )
    chosen = parser_of("process").parse_args(["--name", "job", *words])
    plan = make_plan("process", chosen, "eu-west-1", "")
    assert plan.request["AppSpecification"] == {
        "ImageUri": "mlberth-train:base",
        "ContainerEntrypoint": ["process"],
        "ContainerArguments": ["process.py", "--a", "1"],
    }
    assert [one["InputName"] for one in plan.request["ProcessingInputs"]] == ["raw", "code"]
    outputs = plan.request["ProcessingOutputConfig"]["Outputs"]
    assert [one["S3Output"]["S3Uri"] for one in outputs] == [f"s3://{BUCKET}/job/output/clean/", "s3://b/far"]
    assert [str(one.target) for one in plan.downloads] == ["made"]


@pytest.mark.usefixtures("project")
def test_a_model_and_code_for_it_are_packed_together() -> None:
    plan = plan_of("transform", "code", "--model", "model.tar.gz", "--input", "data", "--join")
    [model, data] = plan.uploads
    assert (model.packed, str(model.code), data.packed) == (True, "code", False)
    assert plan.before[0][1]["PrimaryContainer"]["ModelDataUrl"] == model.address
    assert plan.request["TransformOutput"]["Accept"] == "text/csv"
    assert plan.request["DataProcessing"] == {"JoinSource": "Input"}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        (
            "train",
            ("code", "--program", "x.py"),
            "--program: found 'x.py'; expected a file in code, which has ",
        ),
        ("train", ("--input", "train=no"), "--input train: found 'no'; expected a file or folder, or s3://"),
        ("train", ("--hyperparameters", "n"), "--hyperparameters: found 'n'; expected NAME=VALUE."),
        (
            "transform",
            ("code", "--model", "s3://a/b", "--input", "data"),
            "--model: found s3://a/b; expected a",
        ),
    ],
)
def test_faults_name_the_flag(kind: str, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ContractError) as caught:
        plan_of(kind, *words)
    assert str(caught.value).startswith(message)


def test_all_faults_of_a_flag_are_said_at_once() -> None:
    with pytest.raises(ContractError) as caught:
        pairs(["a=1", "a=2", "b"], "--environment")
    assert str(caught.value).splitlines() == [
        "--environment: found a twice; expected each name once.",
        "--environment: found 'b'; expected NAME=VALUE.",
    ]


def test_a_name_is_made_of_the_folder_and_the_moment() -> None:
    assert job_name(None, "My project_2", "20260101-101010") == "My-project-2-20260101-101010"
    assert len(job_name(None, "x" * 100, "20260101-101010")) == 63
    assert job_name(None, "…", "1") == "job-1"
    assert job_name("given", "x", "1") == "given"
