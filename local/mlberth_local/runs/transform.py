"""`mlberth run transform`: flags to requests of CreateModel and CreateTransformJob."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_local.inputs.objects import SCHEME, below
from mlberth_local.runs.plan import ROLE, Plan, Upload, cluster, existing, image_name, pairs

OPERATION = "CreateTransformJob"
MODEL = "model.tar.gz"


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of transform jobs alone."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        required=True,
        help="a folder, a model.tar.gz, s3://bucket/model.tar.gz, or the name of a training job",
    )
    parser.add_argument(
        "--input", metavar="PATH", required=True, help="files, a folder or s3://bucket/prefix"
    )
    parser.add_argument("--output", metavar="DIR", help="where results go: a folder, or s3://bucket/prefix")
    parser.add_argument("--content-type", metavar="TYPE", default="text/csv", help="of the input (text/csv)")
    parser.add_argument("--accept", metavar="TYPE", help="of the answers (of lines: as the input)")
    parser.add_argument(
        "--split", choices=("None", "Line", "RecordIO", "TFRecord"), default="Line", help="(Line)"
    )
    parser.add_argument(
        "--strategy", choices=("SingleRecord", "MultiRecord"), help="records in a request (MultiRecord)"
    )
    parser.add_argument("--join", action="store_true", help="put each answer behind its record")
    parser.add_argument(
        "--max-concurrent", type=int, metavar="N", help="requests at once (the server's number)"
    )
    parser.add_argument("--max-payload", type=int, metavar="MB", help="of a request (6)")


def fill(plan: Plan, chosen: Namespace, model: str) -> None:
    """Complete a plan by what the flags say; `model` is that of --model, an address or a path here.

    Raises `ContractError`.
    """
    container: dict[str, Any] = {
        "Image": image_name(chosen.image, "serve"),
        "ModelDataUrl": _bring_model(plan, chosen, model),
    }
    if environ := pairs(chosen.environment, "--environment"):
        container["Environment"] = environ
    request = {
        "ModelName": plan.name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": container,
        "EnableNetworkIsolation": chosen.isolated,
    }
    plan.before.append(("CreateModel", request))
    source = {"S3DataType": "S3Prefix", "S3Uri": plan.bring(chosen.input, "input", "--input")}
    output = {"S3OutputPath": plan.take(chosen.output, below(plan.prefix, "output"))}
    lines = chosen.split == "Line"
    # Lines become lines, so that each answer stands where its record stood.
    accept = chosen.accept or (chosen.content_type if lines else None)
    output |= {"Accept": accept} if accept else {}
    output |= {"AssembleWith": "Line"} if lines else {}
    plan.request = {
        "TransformJobName": plan.name,
        "ModelName": plan.name,
        "TransformInput": {
            "DataSource": {"S3DataSource": source},
            "ContentType": chosen.content_type,
            "SplitType": chosen.split,
        },
        "TransformOutput": output,
        "TransformResources": cluster(chosen.instances, chosen.instance_type),
    }
    optional = {
        "BatchStrategy": chosen.strategy,
        "MaxConcurrentTransforms": chosen.max_concurrent,
        "MaxPayloadInMB": chosen.max_payload,
        "DataProcessing": {"JoinSource": "Input"} if chosen.join else None,
    }
    plan.request |= {name: value for name, value in optional.items() if value is not None}


def _bring_model(plan: Plan, chosen: Namespace, model: str) -> str:
    code = Path(chosen.folder) if chosen.folder else None
    if model.startswith(SCHEME):
        if code:
            expected = "a folder or a model.tar.gz on this machine"
            raise ContractError(Fault("--model", model, expected, "FOLDER's code is packed with the model."))
        return model
    path = existing(model, "--model")
    address = below(plan.prefix, "model", MODEL)
    plan.uploads.append(Upload(path, address, packed=path.is_dir() or code is not None, code=code))
    return address
