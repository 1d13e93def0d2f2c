"""Requests as manifests: by the schemas and rules of deploy/kubernetes, and nothing lost without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kubernetes.manifests import Manifest, check, jobs, pods
from tests.kubernetes.rules import check_rules
from tests.local.render.kubernetes.requests import (
    CONFIG,
    GROUPS,
    HOSTS,
    MODEL,
    PROCESSING,
    SPOT,
    TRAINING,
    TWO_VARIANTS,
)

from mlberth.errors import ContractError
from mlberth_local.render.coverage import unaccounted
from mlberth_local.render.kubernetes.renderer import COVERAGE, render
from mlberth_local.render.request_files import OPERATIONS, input_shape, read_requests

pytest.importorskip("kubernetes_validate")
MLBERTH = str(Path(sys.executable).with_name("mlberth"))


def rendered(*documents: Any) -> tuple[list[Manifest], list[str]]:
    """Return the manifests of requests, read back from their YAML, and the notes."""
    files = {f"{number}.json": json.dumps(document) for number, document in enumerate(documents)}
    made = render(read_requests(files, files.__getitem__))
    return list(yaml.safe_load_all(made.text)), made.notes


def one(documents: list[Manifest], kind: str) -> Manifest:
    """Return the one manifest of a kind."""
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_parameter_is_accounted_for(operation: str) -> None:
    """Each parameter of the service is carried over or named; no line is for one that does not exist."""
    shape, coverage = input_shape(operation), COVERAGE[operation]
    assert unaccounted(shape, coverage) == []
    assert not set(coverage.carried) & set(coverage.left_out)
    for path in (*coverage.carried, *coverage.left_out):
        node = shape
        for name in path.split("."):
            node = node.member if node.type_name == "list" else node
            node = node.members[name]


@pytest.mark.parametrize(
    ("documents", "has_rights"),
    [
        ((TRAINING,), False),
        ((SPOT,), False),
        ((HOSTS,), False),
        ((GROUPS,), True),
        ((PROCESSING,), True),
        ((MODEL, CONFIG), False),
        ((MODEL, TWO_VARIANTS), False),
    ],
    ids=["training", "spot", "hosts", "groups", "processing", "endpoint", "variants"],
)
def test_manifests_are_valid(documents: tuple[Any, ...], has_rights: bool) -> None:
    """As those that were written by hand."""
    made, _ = rendered(*documents)
    for document in made:
        check(document)
    check_rules(made, has_rights=has_rights)


def test_training_job() -> None:
    documents, notes = rendered(SPOT)
    job, (pod,) = one(documents, "Job"), pods(one(documents, "Job"))
    assert job["metadata"]["name"] == "iris-2026-11"
    assert json.loads(job["metadata"]["annotations"]["mlberth/tags"]) == {"team": "flowers + more"}
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (3600, 7)
    train, checkpoints = pod["spec"]["initContainers"]
    assert train["command"][2:] == ["s3://bucket/iris/train/", "/opt/ml/input/data/train"]
    assert checkpoints["command"][2:4] == ["--if-empty", "--optional"]
    (node,) = pod["spec"]["containers"]
    assert {"name": "GREETING", "value": "$$(HOME) stays text"} in node["env"]
    assert node["command"][-4:] == ["--", "mlberth", "run", "train"]
    assert "s3://bucket/jobs/Iris-2026-11/output/model.tar.gz" in node["command"]
    assert node["resources"]["limits"] == {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "5Gi"}
    data = one(documents, "ConfigMap")["data"]
    assert json.loads(data["hyperparameters.json"]) == {"max_depth": "3"}
    assert json.loads(data["inputdataconfig.json"])["train"]["TrainingInputMode"] == "File"
    assert json.loads(data["resourceconfig.json"])["hosts"] == ["algo-1"]
    lines = "\n".join(notes)
    for part in ("RoleArn", "EnableManagedSpotTraining = True", "VpcConfig: ", "MaxWaitTimeInSeconds = 7200"):
        assert f"CreateTrainingJob.{part}" in lines or part in lines
    assert "EnableNetworkIsolation" not in lines, "it is off"
    assert "HyperParameters" not in lines


def test_hosts_know_one_another() -> None:
    """Each pod finds the resourceconfig.json that has its own name; shares are counted over the group."""
    documents, notes = rendered(GROUPS)
    jobset = one(documents, "JobSet")
    data = one(documents, "ConfigMap")["data"]
    configs = {key: json.loads(text) for key, text in data.items() if key.startswith("resourceconfig")}
    name = jobset["metadata"]["name"]
    assert {key: config["current_host"] for key, config in configs.items()} == {
        "resourceconfig.data.0.json": f"{name}-data-0-0.{name}",
        "resourceconfig.dnn.0.json": f"{name}-dnn-0-0.{name}",
        "resourceconfig.dnn.1.json": f"{name}-dnn-0-1.{name}",
    }
    assert [job["parallelism"] for job in jobs(jobset)] == [1, 2]
    for pod, label in zip(pods(jobset), ("data", "dnn"), strict=True):
        (node,) = pod["spec"]["containers"]
        (mount,) = [one for one in node["volumeMounts"] if one["mountPath"].endswith("/resourceconfig.json")]
        assert mount["subPathExpr"] == f"resourceconfig.{label}.$(JOB_COMPLETION_INDEX).json"
    gpus = [pod["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") for pod in pods(jobset)]
    assert gpus == [None, "4"]
    assert any("the model is the first host's" in note for note in notes)


def test_processing_job() -> None:
    documents, notes = rendered(PROCESSING)
    (pod,) = pods(one(documents, "Job"))
    (container,) = pod["spec"]["containers"]
    assert container["command"] == [
        *("mlberth", "push", "/opt/ml/processing/train", "s3://bucket/prepared/train", "--"),
        *("python3", "/opt/ml/processing/input/code/prepare.py", "--share", "$$(0.2)"),
    ]
    targets = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "/opt/ml/processing/train" in targets
    assert [note.partition(":")[0] for note in notes] == [
        "CreateProcessingJob.RoleArn = 'arn",
        "CreateProcessingJob.ProcessingInputs, processing/rows",
        "CreateProcessingJob.ProcessingOutputConfig, /opt/ml/processing/train",
    ]


def test_endpoint() -> None:
    documents, notes = rendered(MODEL, CONFIG)
    (pod,) = pods(one(documents, "Deployment"))
    (init,), (server,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert init["command"] == [
        *("mlberth", "fetch", "--unpack", "s3://bucket/iris/model.tar.gz", "/opt/ml/model")
    ]
    environ = {entry["name"]: entry["value"] for entry in server["env"]}
    assert environ["SAGEMAKER_DATA_CAPTURE_DESTINATION"] == "s3://bucket/captured"
    assert environ["SAGEMAKER_DATA_CAPTURE_PERCENTAGE"] == "10"
    probe = server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 120
    scaler = one(documents, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 4)
    assert len(notes) == 1
    _, notes = rendered(MODEL, TWO_VARIANTS)
    assert any("not of its weight" in note for note in notes)


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ((MODEL,), "no request that serves it"),
        ((CONFIG,), "ModelName: found 'iris'; expected a model that a CreateModel among the files makes"),
        (
            ({**MODEL, "PrimaryContainer": {**MODEL["PrimaryContainer"], "Mode": "MultiModel"}}, CONFIG),
            "nobody loads models here",
        ),
        (
            ({**PROCESSING, "AppSpecification": {"ImageUri": "x"}},),
            "ContainerEntrypoint: found none",
        ),
        (
            (
                {
                    **HOSTS,
                    "ResourceConfig": {
                        "InstanceType": "ml.m5.large",
                        "InstanceCount": 500,
                        "VolumeSizeInGB": 1,
                    },
                },
            ),
            "bytes of configuration; expected at most 1000000",
        ),
        (({**TRAINING, "ResourceConfig": {"VolumeSizeInGB": 1}},), "InstanceType or InstanceGroups"),
    ],
)
def test_what_cannot_be_rendered(documents: tuple[Any, ...], told: str) -> None:
    with pytest.raises(ContractError) as caught:
        rendered(*documents)
    assert told in str(caught.value)


def test_command(tmp_path: Path) -> None:
    """YAML on stdout, a line for each loss on stderr and in comments above; faults end with 78."""
    (tmp_path / "job.json").write_text(json.dumps(SPOT))
    argv = [MLBERTH, "render", "kubernetes", str(tmp_path / "job.json")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("mlberth render: CreateTrainingJob.") for line in lines)
    comments = [line for line in done.stdout.splitlines() if line.startswith("# - ")]
    assert [line.removeprefix("mlberth render: ") for line in lines] == [line[4:] for line in comments]
    assert [document["kind"] for document in yaml.safe_load_all(done.stdout)][-1] == "Job"
    argv[-1] = str(tmp_path / "absent.json")
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert "No such file or directory" in done.stderr
