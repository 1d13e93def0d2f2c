"""The run of one job, from its flags to its exit code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlberth.command_line import show
from mlberth.errors import Fault, PlatformError
from mlberth_local.daemon import api_client
from mlberth_local.daemon.home import Home, Running
from mlberth_local.platform import ACCOUNT
from mlberth_local.runs import processing, training, transform
from mlberth_local.runs.flags import KINDS
from mlberth_local.runs.following import Follower, exit_code
from mlberth_local.runs.lease import platform
from mlberth_local.runs.plan import Plan, job_name
from mlberth_local.runs.s3_client import S3Client
from mlberth_local.runs.screen import Screen
from mlberth_local.runs.uploading import fetch, send

_DESCRIBE = {
    training.OPERATION: ("DescribeTrainingJob", "TrainingJobName"),
    processing.OPERATION: ("DescribeProcessingJob", "ProcessingJobName"),
    transform.OPERATION: ("DescribeTransformJob", "TransformJobName"),
}
_EXPLAINED_REGION = "us-east-1"


def run(kind: str, chosen: Namespace, environ: Mapping[str, str]) -> int:
    """Run a job of a kind; returns the exit code. Raises `MlberthError`."""
    home = Home.of(environ, chosen.home)
    screen = Screen(sys.stderr if chosen.json else sys.stdout, sys.stderr, f"mlberth run {kind}")
    if chosen.explain:
        model = getattr(chosen, "model", "")
        return _explain(make_plan(kind, chosen, _EXPLAINED_REGION, model))
    # What is wrong with the flags is said before a daemon is started.
    plan = None if kind == "transform" else make_plan(kind, chosen, _EXPLAINED_REGION, "")
    with platform(home, chosen.engine, environ, screen) as running:
        model = _model_address(running, chosen.model) if kind == "transform" else ""
        if plan is None or running.region != _EXPLAINED_REGION:
            plan = make_plan(kind, chosen, running.region, model)
        return _run(plan, chosen, home, running, screen)


def make_plan(kind: str, chosen: Namespace, region: str, model: str) -> Plan:
    """Return what a run does. Raises `ContractError`."""
    moment = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    origin = Path(chosen.folder).resolve().name if chosen.folder else chosen.image.rpartition("/")[2]
    name = job_name(chosen.name, origin, moment)
    module = KINDS[kind]
    plan = Plan(module.OPERATION, name, f"sagemaker-{region}-{ACCOUNT}")
    if kind == "transform":
        transform.fill(plan, chosen, model)
    elif kind == "train":
        training.fill(plan, chosen)
    else:
        processing.fill(plan, chosen)
    return plan


def _explain(plan: Plan) -> int:
    calls = [*plan.before, (plan.operation, plan.request)]
    show(json.dumps([{"operation": name, "request": request} for name, request in calls], indent=2))
    return 0


def _model_address(running: Running, given: str) -> str:
    """Return the address of a training job's model, or what was given if there is something of that name."""
    if "/" in given or Path(given).exists():
        return given
    try:
        found = api_client.call(running, "DescribeTrainingJob", {"TrainingJobName": given})
    except PlatformError:
        return given  # the plan says that there is no such file
    address = (found.get("ModelArtifacts") or {}).get("S3ModelArtifacts")
    if not address:
        fault = Fault("--model", f"{given}, a training job without a model", "one that has completed")
        raise PlatformError(fault)
    return str(address)


def _run(plan: Plan, chosen: Namespace, home: Home, running: Running, screen: Screen) -> int:
    s3 = S3Client(running.port)
    s3.make_bucket(plan.bucket)
    try:
        send(plan.uploads, s3, screen)
        for operation, request in plan.before:
            api_client.call(running, operation, request)
        started = api_client.call(running, plan.operation, plan.request)
        if chosen.detach:
            show(json.dumps(started, indent=2) if chosen.json else plan.name)
            return 0

        def stop(operation: str, parameter: str) -> None:
            api_client.call(running, operation, {parameter: plan.name})

        job = Follower(home, plan.name, stop, screen).run()
        described = _described(running, plan)
        if job.status == "Completed":
            fetch(plan.downloads, s3, screen)
        _report(plan, described, screen)
    finally:
        screen.close()
    if chosen.json:
        show(json.dumps(described, indent=2))
    return exit_code(job)


def _described(running: Running, plan: Plan) -> dict[str, Any]:
    operation, parameter = _DESCRIBE[plan.operation]
    return api_client.call(running, operation, {parameter: plan.name})


def _report(plan: Plan, described: Mapping[str, Any], screen: Screen) -> None:
    """Say where the results are, or why there are none."""
    if reason := described.get("FailureReason"):
        screen.say(f"{plan.name}: {reason}")
        return
    if model := (described.get("ModelArtifacts") or {}).get("S3ModelArtifacts"):
        screen.say(f"the model is {model}")
    for download in plan.downloads:
        screen.say(f"{download.address} is in {download.target}")
