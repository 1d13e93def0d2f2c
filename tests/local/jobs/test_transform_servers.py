"""Transform jobs of inference pipelines, with our own model server."""

from __future__ import annotations

import re
import tarfile
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform
from tests.local.jobs.test_transform import request, transform

from mlberth_local import log_files
from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import models, transform_jobs

HANDLER = """
import os, signal

def model_fn(model_dir):
    return os.environ["STEP"]

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, step):
    if text.startswith("die in " + step):
        os.kill(os.getppid(), signal.SIGKILL)  # gunicorn's arbiter, without which the server ends
        os._exit(1)
    return "".join(f"{line}-{step}\\n" for line in text.splitlines())

def output_fn(prediction, accept):
    return prediction, "text/csv"
"""
STEPS = ("clean", "predict", "round")


@pytest.fixture
def pipeline(jobs: JobPlatform) -> JobPlatform:
    """Return a platform with the model `model`, of three containers that put their names behind each row."""
    make_model(jobs, "image")
    return jobs


def make_model(jobs: JobPlatform, image: str) -> None:
    """Make the model of three containers of an image."""
    code = jobs.home / "inference.py"
    code.write_text(HANDLER)
    (jobs.bucket / "model").mkdir()
    with tarfile.open(jobs.bucket / "model/model.tar.gz", "w:gz") as tar:
        tar.add(code, "code/inference.py")
    settings = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_USE_NGINX": "false"}
    containers = [
        {
            "ContainerHostname": step,
            "Image": image,
            "ModelDataUrl": f"s3://{BUCKET}/model/model.tar.gz",
            "Environment": {**settings, "STEP": step},
        }
        for step in STEPS
    ]
    models.create_model(jobs.platform, {"ModelName": "model", "Containers": containers})


def check_pipeline(jobs: JobPlatform) -> None:
    """Transform with the model, and look at what is left."""
    jobs.put("in/a.csv", "id-1,x\nid-2,y\n")
    found = transform(
        jobs,
        BatchStrategy="SingleRecord",
        DataProcessing={"InputFilter": "$[1]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert found["TransformJobStatus"] == "Completed", (found, jobs.lines(group="TransformJobs"))
    assert (jobs.bucket / "out/a.csv.out").read_text() == (
        "id-1,x-clean-predict-round\nid-2,y-clean-predict-round\n"
    )
    streams = log_files.streams(jobs.platform.log_folder, "/aws/sagemaker/TransformJobs", "job/algo-1-")
    assert [stream.split("/")[2] for stream in streams] == ["clean", "data-log", "predict", "round"]


def test_each_record_passes_all_containers(pipeline: JobPlatform) -> None:
    """The results are the last one's, joined with what was sent; each container has a log stream."""
    check_pipeline(pipeline)


def test_a_container_that_dies(pipeline: JobPlatform) -> None:
    """The job fails and names it; what was whole before stays, and nothing is stored of the rest."""
    pipeline.put("in/a.csv", "x\n")
    pipeline.put("in/b.csv", "die in predict\n")
    pipeline.put("in/c.csv", "x\n")
    found = transform(pipeline, MaxConcurrentTransforms=1, ModelClientConfig={"InvocationsMaxRetries": 0})
    assert found["TransformJobStatus"] == "Failed"
    # Whichever is seen first: that it has ended, or that a request has no answer.
    reason = found["FailureReason"]
    assert re.match(r"AlgorithmError: (bucket/in/b\.csv: .*)?container predict \(2 of 3\): ", reason), reason
    assert [path.name for path in (pipeline.bucket / "out").iterdir()] == ["a.csv.out"]


def test_direct_mode_is_refused(jobs: JobPlatform) -> None:
    """Nobody names a container for a record of a batch."""
    containers = [{"ContainerHostname": step, "Image": "image"} for step in STEPS]
    model: dict[str, Any] = {"ModelName": "model", "Containers": containers}
    models.create_model(jobs.platform, model | {"InferenceExecutionConfig": {"Mode": "Direct"}})
    with pytest.raises(ServiceError, match=r"ModelName: model model has .* Mode Serial"):
        transform_jobs.create_transform_job(jobs.platform, request())
