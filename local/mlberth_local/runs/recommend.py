"""`mlberth recommend`: flags to a request of CreateInferenceRecommendationsJob, followed to its end."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from mlberth import __version__
from mlberth.command_line import VERSION, show
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth_local.daemon import api_client
from mlberth_local.daemon.home import ENGINES, Home, Running
from mlberth_local.daemon.invocation import content_type_of
from mlberth_local.inputs.objects import SCHEME, below
from mlberth_local.platform import ACCOUNT
from mlberth_local.recommendations.record import COMPLETED, STOPPED
from mlberth_local.runs.following import FAILED, INTERRUPTED, Follower
from mlberth_local.runs.lease import platform
from mlberth_local.runs.plan import FLAVOURS, ROLE, Plan, Upload, existing, image_name, job_name, pairs
from mlberth_local.runs.recommendation_table import lines
from mlberth_local.runs.s3_client import S3Client
from mlberth_local.runs.screen import Screen
from mlberth_local.runs.uploading import send

OPERATION = "CreateInferenceRecommendationsJob"
_SAMPLES = "samples.tar.gz"
_REGION = "us-east-1"
"""Of what --explain prints."""
_EPILOG = """\
mlberth recommend model.tar.gz --image sklearn --sample row.csv --p95 50
mlberth recommend my-model --sample rows/ --content-type application/json \\
    --instance-type ml.c5.large ml.m5.xlarge --vary SAGEMAKER_MODEL_SERVER_WORKERS=1,2,4

Each configuration is served and loaded, one after another: 1, 2, 4, … users for 2 seconds each
(MLBERTH_LOAD_TEST_SECONDS), then requests at a rate if there is a latency to hold. Prices are those of
HOME/prices.json, which you edit. Lines about the tests go to stderr. Ctrl-C stops the job.

Exit codes: 0 there is a recommendation; 1 none holds, or all failed; 130 stopped; 70 the platform's fault;
78 a flag is not what it should be."""


def parser() -> ArgumentParser:
    """Return the parser of the command."""
    made = ArgumentParser(
        "mlberth recommend",
        description="Find the cheapest configuration for a model that holds a latency, by load tests.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument(*VERSION, action="version", version=f"mlberth {__version__}")
    made.add_argument(
        "model", metavar="MODEL", help="a model's name; or a folder, a model.tar.gz, s3://bucket/model.tar.gz"
    )
    made.add_argument(
        "--sample",
        metavar="PATH",
        required=True,
        help="a request's body, or a folder of some, or s3://….tar.gz",
    )
    made.add_argument("--content-type", metavar="TYPE", help="of the samples (by the name, else text/csv)")
    made.add_argument("--accept", metavar="TYPE", help="of the answers")
    bound = made.add_mutually_exclusive_group()
    bound.add_argument("--p95", type=_whole, metavar="MS", help="hold this 95th percentile of the latency")
    bound.add_argument("--p99", type=_whole, metavar="MS", help="hold this 99th percentile of the latency")
    made.add_argument(
        "--instance-type",
        metavar="TYPE",
        nargs="+",
        action="extend",
        default=[],
        help="to test (the cheapest)",
    )
    made.add_argument(
        "--vary",
        metavar="NAME=A,B",
        nargs="+",
        action="extend",
        default=[],
        help="values of variables of the model server to test, with --instance-type (workers and batching)",
    )
    made.add_argument("--tests", type=_whole, metavar="N", help="at most so many (10)")
    made.add_argument("--max-seconds", type=_whole, metavar="N", help="of the job (7200)")
    flavours = ", ".join(FLAVOURS)
    made.add_argument("--image", default=FLAVOURS[0], help=f"of files: {flavours}, or a name ({FLAVOURS[0]})")
    made.add_argument(
        "--environment", metavar="NAME=VALUE", nargs="+", action="extend", default=[], help="of the model"
    )
    made.add_argument("--name", help="of the job (made from MODEL and the time)")
    made.add_argument(
        "--home", metavar="DIR", help="the folder of the platform (MLBERTH_HOME, or ~/.mlberth)"
    )
    made.add_argument("--engine", choices=ENGINES, help="what runs the model (the daemon's; docker)")
    made.add_argument("--json", action="store_true", help="print the job's description and steps")
    made.add_argument("--explain", action="store_true", help="print the requests, and send nothing")
    return made


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


_whole.__name__ = "positive number"


def make_plan(chosen: Namespace, region: str) -> Plan:
    """Return the plan of a job. Raises `ContractError`."""
    moment = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    origin = Path(chosen.model.removeprefix(SCHEME)).name.partition(".")[0]
    plan = Plan(OPERATION, job_name(chosen.name, origin, moment), f"sagemaker-{region}-{ACCOUNT}")
    config = {
        "ModelName": _bring_model(plan, chosen),
        "ContainerConfig": _container(plan, chosen),
        "ResourceLimit": {"MaxNumberOfTests": chosen.tests} if chosen.tests else None,
        "JobDurationInSeconds": chosen.max_seconds,
        "EndpointConfigurations": _configurations(chosen),
    }
    plan.request = {
        "JobName": plan.name,
        "JobType": "Advanced" if chosen.instance_type else "Default",
        "RoleArn": ROLE,
        "InputConfig": {name: value for name, value in config.items() if value},
    }
    if milliseconds := chosen.p95 or chosen.p99:
        threshold = {"Percentile": "P95" if chosen.p95 else "P99", "ValueInMilliseconds": milliseconds}
        plan.request["StoppingConditions"] = {"ModelLatencyThresholds": [threshold]}
    return plan


def _bring_model(plan: Plan, chosen: Namespace) -> str:
    """Return the name of the model: the one that was given, or one that is made of files for the job."""
    given = chosen.model
    if not given.startswith(SCHEME) and "/" not in given and not Path(given).exists():
        return str(given)
    address = given
    if not given.startswith(SCHEME):
        path = existing(given, "MODEL")
        address = below(plan.prefix, "model", "model.tar.gz")
        plan.uploads.append(Upload(path, address, packed=path.is_dir()))
    container: dict[str, Any] = {"Image": image_name(chosen.image, "serve"), "ModelDataUrl": address}
    if environ := pairs(chosen.environment, "--environment"):
        container["Environment"] = environ
    request = {"ModelName": plan.name, "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
    plan.before.append(("CreateModel", request))
    return plan.name


def _container(plan: Plan, chosen: Namespace) -> dict[str, Any]:
    address, name = chosen.sample, chosen.sample
    if not address.startswith(SCHEME):
        path = existing(chosen.sample, "--sample")
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        if not files:
            raise ContractError(Fault("--sample", f"{chosen.sample}, an empty folder", "a folder with files"))
        name = files[0].name
        address = below(plan.prefix, _SAMPLES)
        plan.uploads.append(Upload(path, address, packed=True))
    kind = chosen.content_type or content_type_of(name)
    found: dict[str, Any] = {"PayloadConfig": {"SamplePayloadUrl": address, "SupportedContentTypes": [kind]}}
    return found | ({"SupportedResponseMIMETypes": [chosen.accept]} if chosen.accept else {})


def _configurations(chosen: Namespace) -> list[dict[str, Any]]:
    values = pairs(chosen.vary, "--vary")
    if values and not chosen.instance_type:
        raise ContractError(Fault("--vary", "without --instance-type", "both, or neither"))
    ranges = [{"Name": name, "Value": text.split(",")} for name, text in values.items()]
    environment = {"EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges}} if ranges else {}
    return [{"InstanceType": one, **environment} for one in chosen.instance_type]


def run(chosen: Namespace, environ: Mapping[str, str]) -> int:
    """Run a job; returns the exit code. Raises `MlberthError`."""
    plan = make_plan(chosen, _REGION)
    if chosen.explain:
        calls = [*plan.before, (plan.operation, plan.request)]
        show(json.dumps([{"operation": name, "request": request} for name, request in calls], indent=2))
        return 0
    home = Home.of(environ, chosen.home)
    screen = Screen(sys.stderr, sys.stderr, "mlberth recommend")
    with platform(home, chosen.engine, environ, screen) as running:
        if running.region != _REGION:
            plan = make_plan(chosen, running.region)
        return _run(plan, chosen, home, running, screen)


def _run(plan: Plan, chosen: Namespace, home: Home, running: Running, screen: Screen) -> int:
    s3 = S3Client(running.port)
    s3.make_bucket(plan.bucket)
    try:
        send(plan.uploads, s3, screen)
        for operation, request in plan.before:
            api_client.call(running, operation, request)
        api_client.call(running, plan.operation, plan.request)

        def stop(operation: str, parameter: str) -> None:
            api_client.call(running, operation, {parameter: plan.name})

        Follower(home, plan.name, stop, screen).run()
        name = {"JobName": plan.name}
        job = api_client.call(running, "DescribeInferenceRecommendationsJob", name)
        steps = api_client.call(running, "ListInferenceRecommendationsJobSteps", {**name, "MaxResults": 100})[
            "Steps"
        ]
    finally:
        screen.close()
        for _, request in plan.before:
            with suppress(PlatformError):  # it was not made, or somebody has deleted it
                api_client.call(running, "DeleteModel", {"ModelName": request["ModelName"]})
    if chosen.json:
        show(json.dumps({"job": job, "steps": steps}, indent=2))
    else:
        show("\n".join(lines(job, steps)))
    if reason := job.get("FailureReason"):
        screen.say(f"{plan.name}: {reason}")
    return {COMPLETED: 0, STOPPED: INTERRUPTED}.get(job["Status"], FAILED)
