"""`mlberth run train`: flags to a request of CreateTrainingJob."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mlberth_local.inputs.objects import SCHEME, below
from mlberth_local.runs.plan import CODE, ROLE, Plan, Upload, cluster, image_name, pairs, program_of

OPERATION = "CreateTrainingJob"
_CODE_FOLDER = "/opt/ml/input/data/code"
_DEFAULT_CHANNEL = "training"
_DAY = 86400
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".libsvm": "text/libsvm",
    ".parquet": "application/x-parquet",
    ".svm": "text/libsvm",
}


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of training jobs alone."""
    parser.add_argument("--program", metavar="FILE", help="what is run, in FOLDER (train.py)")
    parser.add_argument(
        "--input",
        metavar="NAME=PATH",
        nargs="+",
        action="extend",
        default=[],
        help="channels: files, folders or s3://bucket/prefix; a PATH alone is the channel training",
    )
    parser.add_argument(
        "--hyperparameters",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="of the program",
    )
    parser.add_argument("--input-mode", choices=("File", "FastFile", "Pipe"), default="File", help="(File)")
    parser.add_argument(
        "--content-type", metavar="TYPE", help="of the channels (by the names of their files)"
    )
    parser.add_argument("--output", metavar="DIR", help="where results go: a folder, or s3://bucket/prefix")
    parser.add_argument(
        "--metric", metavar="NAME=REGEX", action="append", default=[], help="found in the log"
    )
    parser.add_argument("--checkpoints", metavar="S3URI", help="where checkpoints are kept, and taken from")
    parser.add_argument("--spot", action="store_true", help="may be interrupted: `mlberth interrupt NAME`")


def fill(plan: Plan, chosen: Namespace) -> None:
    """Complete a plan by what the flags say. Raises `ContractError`."""
    hyperparameters = pairs(chosen.hyperparameters, "--hyperparameters")
    channels = [
        _channel(name, plan.bring(given, f"input/{name}", f"--input {name}"), chosen, content_type(given))
        for name, given in pairs(chosen.input, "--input", lambda _: _DEFAULT_CHANNEL).items()
    ]
    if chosen.folder:
        hyperparameters |= _bring_code(plan, chosen, channels)
    algorithm: dict[str, Any] = {
        "TrainingImage": image_name(chosen.image, "train"),
        "TrainingInputMode": chosen.input_mode,
    }
    if metrics := pairs(chosen.metric, "--metric"):
        algorithm["MetricDefinitions"] = [{"Name": name, "Regex": regex} for name, regex in metrics.items()]
    condition = {"MaxRuntimeInSeconds": chosen.max_seconds or _DAY}
    if chosen.spot:
        condition["MaxWaitTimeInSeconds"] = 2 * condition["MaxRuntimeInSeconds"]
    # The platform itself adds the job's name.
    output = plan.take(chosen.output, below(plan.prefix, "output", ""))
    root = output if output == chosen.output else f"{SCHEME}{plan.bucket}/"
    plan.request = {
        "TrainingJobName": plan.name,
        "AlgorithmSpecification": algorithm,
        "RoleArn": ROLE,
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": root},
        "ResourceConfig": {**cluster(chosen.instances, chosen.instance_type), "VolumeSizeInGB": 1},
        "StoppingCondition": condition,
        "HyperParameters": hyperparameters,
        "Environment": pairs(chosen.environment, "--environment"),
        "EnableNetworkIsolation": chosen.isolated,
        "EnableManagedSpotTraining": chosen.spot,
    }
    if chosen.checkpoints:
        plan.request["CheckpointConfig"] = {"S3Uri": chosen.checkpoints}
    for empty in [name for name in ("InputDataConfig", "Environment") if not plan.request[name]]:
        del plan.request[empty]


def _channel(name: str, address: str, chosen: Namespace, found: str | None = None) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": address, "S3DataDistributionType": "FullyReplicated"}
    media_type = chosen.content_type or found
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": source},
        "InputMode": chosen.input_mode,
        **({"ContentType": media_type} if media_type else {}),
    }


def content_type(given: str) -> str | None:
    """Return the media type of a channel by the names of its files, if all have one and the same."""
    path = Path(given)
    files = [path] if path.is_file() else path.rglob("*.*") if path.is_dir() else [Path(given)]
    types = {_MEDIA_TYPES.get(file.suffix) for file in files}
    return types.pop() if len(types) == 1 else None


def _bring_code(plan: Plan, chosen: Namespace, channels: list[dict[str, Any]]) -> dict[str, str]:
    """Pack the project; returns the hyperparameters that name it, as the SDK does."""
    folder = Path(chosen.folder)
    program = program_of(folder, chosen.program, "train.py")
    address = below(plan.prefix, "source", CODE)
    kept = tuple(upload.source for upload in plan.uploads)
    kept += (Path(chosen.output),) if chosen.output else ()
    plan.uploads.append(Upload(folder, address, packed=True, without=kept))
    if chosen.isolated:  # nothing can be fetched from inside
        channels.append({**_channel("code", address, chosen), "InputMode": "File"})
        address = f"{_CODE_FOLDER}/{CODE}"
    return {"sagemaker_program": program, "sagemaker_submit_directory": address}
