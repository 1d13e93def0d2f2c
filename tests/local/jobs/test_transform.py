"""Transform jobs, with our own model server."""

from __future__ import annotations

import gzip
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform
from tests.support import wait_until

from mlberth_local.errors import ServiceError
from mlberth_local.jobs.context import JobRecord
from mlberth_local.jobs.transform import TransformDriver
from mlberth_local.sagemaker import models, transform_jobs

HANDLER = """
import os, time

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    if "bad" in text:
        raise ValueError("bad row")
    if "slow" in text:
        time.sleep(30)
    return "".join(f"<{line}>\\n" for line in text.splitlines())

def output_fn(prediction, accept):
    return prediction, "text/csv"
"""


@pytest.fixture
def model(jobs: JobPlatform, tmp_path: Path) -> JobPlatform:
    """Return a platform with the model `model`, whose answers are its rows in brackets."""
    code = tmp_path / "inference.py"
    code.write_text(HANDLER)
    (jobs.bucket / "model").mkdir()
    with tarfile.open(jobs.bucket / "model/model.tar.gz", "w:gz") as tar:
        tar.add(code, "code/inference.py")
    container = {
        "Image": "image",
        "ModelDataUrl": f"s3://{BUCKET}/model/model.tar.gz",
        "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_USE_NGINX": "false"},
    }
    models.create_model(jobs.platform, {"ModelName": "model", "PrimaryContainer": container})
    return jobs


def request(**members: Any) -> dict[str, Any]:
    """Return a request of CreateTransformJob; members of TransformInput and TransformOutput go there."""
    given: dict[str, Any] = {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}
    }
    given |= {"ContentType": "text/csv", "SplitType": "Line"}
    output = {"S3OutputPath": f"s3://{BUCKET}/out", "AssembleWith": "Line", "Accept": "text/csv"}
    given |= members.pop("TransformInput", {})
    return {
        "TransformJobName": "job",
        "ModelName": "model",
        "TransformInput": given,
        "TransformOutput": output | members.pop("TransformOutput", {}),
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    }


def transform(jobs: JobPlatform, **members: Any) -> dict[str, Any]:
    """Run a job to its end."""
    transform_jobs.create_transform_job(jobs.platform, request(**members))
    assert jobs.jobs.join(60)
    return describe(jobs)


def describe(jobs: JobPlatform) -> dict[str, Any]:
    """Return what DescribeTransformJob answers."""
    return transform_jobs.describe_transform_job(jobs.platform, {"TransformJobName": "job"})


def test_a_job_with_a_join(model: JobPlatform) -> None:
    """Results are beside one another under the names of their objects, joined with what was sent."""
    model.put("in/a.csv", "id-1,x\nid-2,y\n")
    model.put("in/deep/b.csv", "id-3,z")
    found = transform(
        model,
        DataProcessing={"InputFilter": "$[1]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    lines = model.lines(group="TransformJobs")
    assert found["TransformJobStatus"] == "Completed", (found, lines)
    assert (model.bucket / "out/a.csv.out").read_text() == "id-1,<x>\nid-2,<y>\n"
    assert (model.bucket / "out/deep/b.csv.out").read_text() == "id-3,<z>\n"
    logs = model.platform.log_folder / "~aws~sagemaker~TransformJobs/job"
    [first, _] = sorted(logs.glob("*/data-log.jsonl"))
    assert "[sagemaker logs]: MaxConcurrentTransforms=" in first.read_text()
    assert "TransformStartTime" in found


def test_an_object_that_fails(model: JobPlatform) -> None:
    """It has no result, the others have theirs, and the job names it."""
    model.put("in/a.csv", "x\n")
    model.put("in/b.csv", "x\nbad\n")
    model.put("in/c.csv", "x\n")
    found = transform(model, ModelClientConfig={"InvocationsMaxRetries": 0})
    assert found["TransformJobStatus"] == "Failed"
    assert f"{BUCKET}/in/b.csv: Bad HTTP status received from algorithm: 500" in found["FailureReason"]
    assert sorted(path.name for path in (model.bucket / "out").iterdir()) == ["a.csv.out", "c.csv.out"]


def test_objects_of_a_manifest(model: JobPlatform) -> None:
    """Results are below the output as the objects are below the manifest's prefix."""
    model.put("in/x/1.csv", "a\n")
    model.put("in/y/2.csv", "b\n")
    model.put("m", f'[{{"prefix": "s3://{BUCKET}/in/"}}, "x/1.csv", "y/2.csv"]')
    source = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{BUCKET}/m"}
    found = transform(model, TransformInput={"DataSource": {"S3DataSource": source}})
    assert found["TransformJobStatus"] == "Completed", found
    results = model.bucket / "out"
    assert (results / "x/1.csv.out").read_text() == "<a>\n"
    assert (results / "y/2.csv.out").read_text() == "<b>\n"


def test_a_damaged_object(model: JobPlatform) -> None:
    """It has no result, the others have theirs, and the job has failed."""
    model.put("in/a.csv", gzip.compress(b"x\n"))
    model.put("in/b.csv", gzip.compress(b"x\n" * 1000)[:10] + b"\xff" * 50)
    found = transform(model, TransformInput={"CompressionType": "Gzip"})
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(f"ClientError: {BUCKET}/in/b.csv: ")
    assert [path.name for path in (model.bucket / "out").iterdir()] == ["a.csv.out"]


def test_an_outcome_that_cannot_be_written(model: JobPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has its end all the same: nobody waits for senders that have gone."""
    update = JobRecord.update

    def refuse(record: JobRecord, **changes: Any) -> None:
        if "transformed" in changes:
            raise sqlite3.OperationalError("database or disk is full")
        update(record, **changes)

    monkeypatch.setattr(JobRecord, "update", refuse)
    model.put("in/a.csv", "x\n")
    model.put("in/b.csv", "bad\n")
    found = transform(model, ModelClientConfig={"InvocationsMaxRetries": 0})
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(f"AlgorithmError: {BUCKET}/in/b.csv: ")


def test_a_key_that_leads_out(model: JobPlatform) -> None:
    """No server is started, and the key is named."""
    file = model.home / "content"
    file.touch()
    model.jobs.context.objects.put(f"s3://{BUCKET}/in/../../../../escaped", file)
    found = transform(model)
    assert found["TransformJobStatus"] == "Failed"
    text = f"ClientError: Data download failed: 's3://{BUCKET}/in/../../../../escaped'"
    assert found["FailureReason"].startswith(text)
    assert [path.name for path in model.home.rglob("escaped*")] == []


def test_stop(model: JobPlatform) -> None:
    """What is whole stays, and the job is Stopped at once."""
    model.put("in/a.csv", "x\n")
    model.put("in/b.csv", "slow\n")
    transform_jobs.create_transform_job(model.platform, request())
    wait_until((model.bucket / "out/a.csv.out").exists)
    transform_jobs.stop_transform_job(model.platform, {"TransformJobName": "job"})
    assert model.jobs.join(60)
    assert describe(model)["TransformJobStatus"] == "Stopped"
    assert [path.name for path in (model.bucket / "out").iterdir()] == ["a.csv.out"]


def test_a_model_that_cannot_be_loaded(jobs: JobPlatform) -> None:
    """The job says why its server has ended."""
    jobs.put("in/a.csv", "x\n")
    models.create_model(jobs.platform, {"ModelName": "model", "PrimaryContainer": {"Image": "image"}})
    found = transform(jobs)
    assert found["TransformJobStatus"] == "Failed"
    assert "AlgorithmError: " in found["FailureReason"]
    assert "exit code: 65" in found["FailureReason"]


def test_input_that_is_not_there(model: JobPlatform) -> None:
    """No server is started."""
    assert "No S3 objects found" in transform(model)["FailureReason"]


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ({"ModelName": "none"}, 'Could not find model "arn:'),
        ({"MaxConcurrentTransforms": 20, "MaxPayloadInMB": 6}, "at most 100 MB; found 20 \\* 6"),
        (
            {"BatchStrategy": "SingleRecord", "TransformInput": {"SplitType": "None"}},
            "BatchStrategy: SplitType",
        ),
        ({"MaxPayloadInMB": 0}, "SplitType must be None"),
        *(
            (
                {
                    "TransformInput": {
                        "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": "s3://b/m"}}
                    }
                },
                f"TransformInput: S3DataType {kind} is not compatible; use S3Prefix or ManifestFile",
            )
            for kind in ("AugmentedManifestFile", "Converse")
        ),
        ({"DataProcessing": {"InputFilter": "x"}}, "that begin with \\$"),
        ({"DataProcessing": {"InputFilter": "$.a"}}, "have no names"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "application/json"}},
            "must agree",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"AssembleWith": "None"}},
            "AssembleWith must be Line",
        ),
        (
            {"DataProcessing": {"InputFilter": "$[0]"}, "TransformInput": {"ContentType": "x/y"}},
            "must be one of",
        ),
    ],
)
def test_faulty_requests(model: JobPlatform, members: dict[str, Any], cause: str) -> None:
    """They are refused before anything starts."""
    with pytest.raises(ServiceError, match=cause):
        transform_jobs.create_transform_job(model.platform, request(**members))


@pytest.mark.parametrize("host", ["algo-12", "algo-12-1", "algo-12-3"])
def test_the_servers_of_a_pipeline_share_an_instance(host: str) -> None:
    """What they use is used by it."""
    assert TransformDriver.instance_of(host) == "algo-12"
