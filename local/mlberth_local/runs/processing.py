"""`mlberth run process`: flags to a request of CreateProcessingJob."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mlberth_local.inputs.objects import below
from mlberth_local.runs.plan import CODE, ROLE, Plan, Upload, cluster, image_name, pairs, program_of

OPERATION = "CreateProcessingJob"
_FOLDER = "/opt/ml/processing"


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of processing jobs alone."""
    parser.add_argument("--program", metavar="FILE", help="what is run, in FOLDER (process.py)")
    parser.add_argument(
        "--input",
        metavar="NAME=PATH",
        nargs="+",
        action="extend",
        default=[],
        help=f"files, folders or s3://bucket/prefix, to {_FOLDER}/input/NAME",
    )
    parser.add_argument(
        "--output",
        metavar="NAME=DIR",
        nargs="+",
        action="extend",
        default=[],
        help=f"where {_FOLDER}/output/NAME goes: a folder, or s3://bucket/prefix",
    )
    parser.add_argument(
        "--arguments", metavar="WORD", nargs="...", default=[], help="of the program; comes last"
    )


def fill(plan: Plan, chosen: Namespace) -> None:
    """Complete a plan by what the flags say. Raises `ContractError`."""
    inputs = [
        _input(name, plan.bring(given, f"input/{name}", f"--input {name}"))
        for name, given in pairs(chosen.input, "--input", lambda word: Path(word).stem).items()
    ]
    outputs = [
        _output(name, plan.take(given, below(plan.prefix, "output", name, "")))
        for name, given in pairs(chosen.output, "--output").items()
    ]
    app: dict[str, Any] = {"ImageUri": image_name(chosen.image, "train")}
    words = list(chosen.arguments)
    if chosen.folder:
        folder = Path(chosen.folder)
        program = program_of(folder, chosen.program, "process.py")
        address = below(plan.prefix, "source", CODE)
        kept = (*(upload.source for upload in plan.uploads), *(load.target for load in plan.downloads))
        plan.uploads.append(Upload(folder, address, packed=True, without=kept))
        inputs.append(_input("code", address))
        app["ContainerEntrypoint"] = ["process"]
        words = [program, *words]
    if words:
        app["ContainerArguments"] = words
    plan.request = {
        "ProcessingJobName": plan.name,
        "AppSpecification": app,
        "RoleArn": ROLE,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": outputs},
        "ProcessingResources": {
            "ClusterConfig": {**cluster(chosen.instances, chosen.instance_type), "VolumeSizeInGB": 1}
        },
        "Environment": pairs(chosen.environment, "--environment"),
        "NetworkConfig": {"EnableNetworkIsolation": chosen.isolated},
    }
    if chosen.max_seconds:
        plan.request["StoppingCondition"] = {"MaxRuntimeInSeconds": chosen.max_seconds}
    for empty, value in (("ProcessingInputs", inputs), ("ProcessingOutputConfig", outputs)):
        if not value:
            del plan.request[empty]
    if not plan.request["Environment"]:
        del plan.request["Environment"]


def _input(name: str, address: str) -> dict[str, Any]:
    source = {
        "S3Uri": address,
        "LocalPath": f"{_FOLDER}/input/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": source}


def _output(name: str, address: str) -> dict[str, Any]:
    target = {"S3Uri": address, "LocalPath": f"{_FOLDER}/output/{name}", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": target}
