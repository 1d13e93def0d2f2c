"""Scripts for Slurm: what is in them, and that no value can be anything but a value."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlberth.errors import ContractError
from mlberth_local.render.request_files import ENDPOINT_CONFIG, PROCESSING, TRAINING, Request
from mlberth_local.render.slurm.renderer import render

ROOT = Path(__file__).parents[4]
REST = "# ---- The rest"
TRAIN: dict[str, Any] = {
    "TrainingJobName": "iris-1",
    "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
    "AlgorithmSpecification": {
        "TrainingImage": "mlberth-train:sklearn",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
    },
    "HyperParameters": {"epochs": "10"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "ManifestFile",
                    "S3Uri": "s3://b/in",
                    "S3DataDistributionType": "ShardedByS3Key",
                }
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://b/out/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 10},
    "RetryStrategy": {"MaximumRetryAttempts": 7},
    "StoppingCondition": {"MaxRuntimeInSeconds": 90},
}
PROCESS: dict[str, Any] = {
    "ProcessingJobName": "prepare",
    "AppSpecification": {
        "ImageUri": "i",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/x.py"],
        "ContainerArguments": ["--to", "/opt/ml/processing/output", "/opt/mlx"],
    },
    "ProcessingInputs": [
        {
            "InputName": "code",
            "S3Input": {
                "S3Uri": "s3://b/code",
                "S3DataType": "S3Prefix",
                "LocalPath": "/opt/ml/processing/input/code",
            },
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "o", "S3Output": {"S3Uri": "s3://b/o", "LocalPath": "/opt/ml/processing/output"}}
        ]
    },
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large"}},
}
# Takes the place of `mlberth`: notes its arguments, and a push runs its command, as the real one does.
MLBERTH = """#!/bin/bash
printf '%s\\0' "$@" '' >>"$NOTES/arguments"
[ "$1" = push ] || exit 0
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
PROGRAM = """#!/bin/bash
printf '%s\\0' "$@" '' >>"$NOTES/arguments"
/usr/bin/env -0 >"$NOTES/environ"
"""


def run(folder: Path, text: str, *programs: str) -> tuple[list[list[str]], dict[str, str]]:
    """Run a script's `fetch` and `run` as a node does; return the commands, and the program's environment."""
    ml = folder / "m l"
    commands = folder / "bin"
    for path in (ml / "input/config", commands):
        path.mkdir(parents=True)
    for name in ("mlberth", *programs):
        (commands / name).write_text(MLBERTH if name == "mlberth" else PROGRAM)
        (commands / name).chmod(0o755)
    (folder / "head.sh").write_text(text.partition(REST)[0], "utf-8")
    environ = {
        "PATH": f"{commands}:/usr/bin:/bin",
        "NOTES": str(folder),
        "ML": str(ml),
        "SLURM_SUBMIT_DIR": "/submit",
        "SLURM_NODEID": "1",
        "SLURM_NNODES": "2",
        "LC_ALL": "C.UTF-8",
    }
    argv = ["bash", "-c", '. ./head.sh; fetch; printf %s "$IMAGE" >"$NOTES/image"; run']
    done = subprocess.run(
        argv, check=False, cwd=folder, env=environ, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    words = (folder / "arguments").read_bytes().decode().split("\0")
    found: list[list[str]] = [[]]
    for word in words[:-1]:
        if word:
            found[-1].append(word)
        else:
            found.append([])
    pairs = (folder / "environ").read_bytes().decode().split("\0")[:-1]
    return found[:-1], dict(pair.split("=", 1) for pair in pairs)


def shellcheck(folder: Path, text: str) -> None:
    """Check a script as `make check` does."""
    (folder / "job.sbatch").write_text(text, "utf-8")
    command = Path(sys.executable).with_name("shellcheck")
    argv = [command, folder / "job.sbatch"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_training_job(tmp_path: Path) -> None:
    """Options of Slurm, configuration, channels, and pushes around the command."""
    rendered = render([Request(TRAINING, {**TRAIN, "Environment": {"A": "x y", "ML": "mine"}})])
    shellcheck(tmp_path, rendered.text)
    options = [line.removeprefix("#SBATCH ") for line in rendered.text.splitlines() if "#SBATCH " in line]
    assert {"--job-name=iris-1", "--nodes=3", "--ntasks-per-node=1", "--time=2"} <= set(options)
    assert {"--requeue", "--signal=B:USR1@45"} <= set(options)
    assert "RESTARTS=${RESTARTS:-7}" in rendered.text
    commands, environ = run(tmp_path, rendered.text, "train")
    ml, output = str(tmp_path / "m l"), "s3://b/out/iris-1/output"
    model = ["mlberth", "push", f"{ml}/model", "--leader", f"{output}/model.tar.gz", "--", "train"]
    assert commands[0] == [
        *("fetch", "--if-empty", "--manifest", "--shard", "auto", "s3://b/in", f"{ml}/input/data/train")
    ]
    data = ["push", f"{ml}/output/data", "--leader", "--always", f"{output}/output.tar.gz", "--", *model]
    assert commands[1] == data
    assert (environ["A"], environ["ML"], environ["TRAINING_JOB_NAME"]) == ("x y", "mine", "iris-1")
    config = tmp_path / "m l/input/config"
    channels = json.loads((config / "inputdataconfig.json").read_text())
    assert channels["train"]["S3DistributionType"] == "ShardedByS3Key"
    assert json.loads((config / "metric-definition-regex.json").read_text())[0]["Name"] == "loss"
    assert [note.partition(":")[0] for note in rendered.notes] == [
        "CreateTrainingJob.RoleArn = 'arn",
        "CreateTrainingJob.ResourceConfig.InstanceType = 'ml.m5.large'",
        "CreateTrainingJob.ResourceConfig.VolumeSizeInGB = 10",
    ]
    assert all(f"# - {note}\n" in rendered.text for note in rendered.notes)


def test_processing_job(tmp_path: Path) -> None:
    """Paths of the contract become those of the node's tree, in the command as well."""
    rendered = render([Request(PROCESSING, PROCESS)])
    shellcheck(tmp_path, rendered.text)
    commands, _ = run(tmp_path, rendered.text, "python3")
    ml = str(tmp_path / "m l")
    folder = f"{ml}/processing"
    assert commands[0] == ["fetch", "--if-empty", "s3://b/code", f"{folder}/input/code"]
    assert commands[2] == [f"{folder}/input/code/x.py", "--to", f"{folder}/output", "/opt/mlx"]
    assert commands[1][:5] == ["push", f"{folder}/output", "s3://b/o/", "--", "python3"]
    hosts = json.loads((Path(ml) / "config/resourceconfig.json").read_text())
    assert hosts == {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    config = json.loads((Path(ml) / "config/processingjobconfig.json").read_text())
    assert config["ProcessingJobName"] == "prepare"


HOSTILE = st.one_of(
    st.sampled_from(
        ["'", '"; rm -rf /', "$(touch x)", "`id`", "\\", "a\r\nb", "}\nfetch() {", "#SBATCH", "*", "-x", "!"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
)


@settings(max_examples=25)
@given(
    values=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
    environ=st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{2,6}", fullmatch=True), HOSTILE, max_size=3),
    arguments=st.lists(HOSTILE, max_size=3),
    image=HOSTILE,
    tag=HOSTILE,
)
def test_values_stay_values(
    values: dict[str, str], environ: dict[str, str], arguments: list[str], image: str, tag: str
) -> None:
    """Whatever a request holds arrives as it was, and nothing else happens."""
    environ = {f"X{name}": value for name, value in environ.items()}
    request = {
        **TRAIN,
        "AlgorithmSpecification": {"TrainingImage": image, "ContainerEntrypoint": ["start", *arguments]},
        "HyperParameters": values,
        "Environment": environ,
        "Tags": [{"Key": tag, "Value": tag}],
        "ExperimentConfig": {"ExperimentName": tag},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rendered = render([Request(TRAINING, request)])
        commands, seen = run(folder, rendered.text, "start")
        assert commands[-1] == arguments
        assert environ.items() <= seen.items()
        hyperparameters = folder / "m l/input/config/hyperparameters.json"
        assert json.loads(hyperparameters.read_text()) == values
        assert (folder / "image").read_bytes().decode() == f"docker://{image}"
        assert {path.name for path in folder.iterdir()} == {
            *("m l", "bin", "head.sh", "arguments", "environ", "image")
        }


def test_hostile_values_pass_shellcheck(tmp_path: Path) -> None:
    """So that who reads such a script can still check it."""
    word = "'\"; $(touch x) `id` \\ *\n}\nfetch() { :"
    request = {
        **TRAIN,
        "AlgorithmSpecification": {"TrainingImage": word, "ContainerEntrypoint": ["start", word]},
        "HyperParameters": {word: word},
        "Environment": {"A": word},
    }
    shellcheck(tmp_path, render([Request(TRAINING, request)]).text)


def test_servers_are_refused() -> None:
    """With what else there is for them."""
    requests = [Request("CreateModel", {}), Request(ENDPOINT_CONFIG, {})]
    with pytest.raises(ContractError, match="found CreateModel, CreateEndpointConfig; expected one request"):
        render(requests)


def test_the_script_to_copy_ends_as_rendered_ones_do() -> None:
    """Its first part is what people change, and a request's; the rest is the same."""
    copied = (ROOT / "deploy/slurm/train.sbatch").read_text()
    rendered = render([Request(TRAINING, TRAIN)]).text
    assert copied.partition(REST)[2] == rendered.partition(REST)[2] != ""
