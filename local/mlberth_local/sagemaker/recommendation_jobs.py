"""Inference recommendations jobs: load tests of a model, and the cheapest configurations that hold."""

from __future__ import annotations

import math
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from mlberth_local.errors import ResourceInUseError, ServiceError, ValidationError
from mlberth_local.operations import ONE_MACHINE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.recommendations import candidates
from mlberth_local.recommendations.prices import read_prices
from mlberth_local.recommendations.record import (
    IN_PROGRESS,
    KIND,
    PENDING,
    STOPPING,
    VARIANT,
    Benchmark,
    benchmarks_of,
    ranked,
)
from mlberth_local.recommendations.requests import faults
from mlberth_local.sagemaker import models
from mlberth_local.sagemaker.job_requests import raise_all, times
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

_DEFAULT_RESULTS = 10


def create_inference_recommendations_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Start a job with a model that there is."""
    name, now, config = request["JobName"], platform.clock(), request["InputConfig"]
    prices = read_prices(platform.home)
    raise_all(list(faults(request, prices)))
    model = models.find(platform, config["ModelName"]).request
    containers = models.containers_of(model)
    if len(containers) > 1 or containers[0].get("Mode") == "MultiModel":
        text = "a load test is of one container with one model"
        raise ValidationError(f"InputConfig.ModelName: {config['ModelName']} has several: {text}")
    parts = platform.jobs.context
    found = candidates.benchmarks(name, request, prices, parts.capacity, limited=parts.in_containers)
    # The model may be deleted, and the prices be edited, while the job runs.
    state = {
        "container": containers[0],
        "isolated": bool(model.get("EnableNetworkIsolation")),
        "benchmarks": [asdict(one) for one in found],
    }
    arn = platform.arn("sagemaker", f"{KIND}/{name}")
    try:
        platform.recommender.submit(Resource(KIND, name, arn, now, now, PENDING, request, state))
    except NameTakenError:
        text = f"an inference recommendations job with this name already exists ({arn})"
        message = f"Job name must be unique within an AWS account and region, and {text}"
        raise ResourceInUseError(message) from None
    return {"JobArn": arn}


def _find(platform: Platform, name: str) -> Resource:
    """Return a job. Raises ServiceError with the code that SDKs catch."""
    try:
        found: Resource = platform.jobs.context.resources.get(KIND, name)
    except NoSuchResourceError:
        raise _missing(name) from None
    return found


def _missing(name: str) -> ServiceError:
    text = f"Could not find requested job with name: {name}"
    return ServiceError("ResourceNotFound", text, HTTPStatus.BAD_REQUEST)


def describe_inference_recommendations_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a job's request, how far it is, and what it recommends."""
    job = _find(platform, request["JobName"])
    kept = ("JobName", "JobDescription", "JobType", "RoleArn", "InputConfig", "StoppingConditions")
    answer = {name: job.request[name] for name in kept if name in job.request}
    found = ranked(benchmarks_of(job))[: candidates.MOST]
    recommendations = [_recommendation(job, one) for one in found]
    return answer | {
        "JobArn": job.arn,
        "Status": job.status,
        "LastModifiedTime": job.modified,
        **times(CreationTime=job.created, CompletionTime=job.state.get("ended")),
        **({"FailureReason": job.state["reason"]} if job.state.get("reason") else {}),
        **({"InferenceRecommendations": recommendations} if recommendations else {}),
    }


def _recommendation(job: Resource, benchmark: Benchmark) -> dict[str, Any]:
    return {
        "RecommendationId": f"{job.name}/{benchmark.endpoint.rpartition('-')[2]}",
        **_tested(benchmark),
    }


def _tested(benchmark: Benchmark) -> dict[str, Any]:
    """Return what was tested, and what it has shown, as recommendations and steps have it."""
    endpoint: dict[str, Any] = {"EndpointName": benchmark.endpoint, "VariantName": VARIANT}
    if benchmark.serverless:
        endpoint["ServerlessConfig"] = benchmark.serverless
    else:
        endpoint |= {"InstanceType": benchmark.instance_type, "InitialInstanceCount": 1}
    environment = [
        {"Key": name, "ValueType": "String", "Value": value} for name, value in benchmark.environment.items()
    ]
    found: dict[str, Any] = {
        "EndpointConfiguration": endpoint,
        "ModelConfiguration": {"EnvironmentParameters": environment} if environment else {},
    }
    found |= {"Metrics": _metrics(benchmark)} if benchmark.result else {}
    return found | times(InvocationStartTime=benchmark.began, InvocationEndTime=benchmark.ended)


def _metrics(benchmark: Benchmark) -> dict[str, Any]:
    result = benchmark.result
    assert result
    found = {
        "CostPerHour": benchmark.cost_per_hour,
        "CostPerInference": benchmark.cost_per_inference,
        "MaxInvocations": result.per_minute,
        # Whole milliseconds, and never less than it was.
        "ModelLatency": math.ceil(result.latency),
        "CpuUtilization": result.cpu,
        "MemoryUtilization": result.memory,
        "ModelSetupTime": result.setup,
    }
    return {name: value for name, value in found.items() if value is not None}


def list_inference_recommendations_jobs(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List jobs, a page at a time."""
    wanted, package = request.get("ModelNameEquals"), request.get("ModelPackageVersionArnEquals")

    def is_chosen(job: Resource) -> bool:
        return not package and job.request["InputConfig"]["ModelName"] == wanted

    return list_page(
        platform.jobs.context.resources,
        KIND,
        request,
        "InferenceRecommendationsJobs",
        _summary,
        chosen=is_chosen if wanted or package else None,
    )


def _summary(job: Resource) -> dict[str, Any]:
    config = job.request["InputConfig"]
    return {
        "JobName": job.name,
        "JobDescription": job.request.get("JobDescription") or "",
        "JobType": job.request["JobType"],
        "JobArn": job.arn,
        "Status": job.status,
        "RoleArn": job.request["RoleArn"],
        "ModelName": config["ModelName"],
        "SamplePayloadUrl": config["ContainerConfig"]["PayloadConfig"]["SamplePayloadUrl"],
        "LastModifiedTime": job.modified,
        **times(CreationTime=job.created, CompletionTime=job.state.get("ended")),
        **({"FailureReason": job.state["reason"]} if job.state.get("reason") else {}),
    }


def list_inference_recommendations_job_steps(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the load tests of a job, a page at a time."""
    job = _find(platform, request["JobName"])
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise ValidationError("The NextToken is not one of an earlier answer.")
    wanted, first = request.get("Status"), int(token)
    last = first + (request.get("MaxResults") or _DEFAULT_RESULTS)
    found = [one for one in benchmarks_of(job) if wanted in (None, one.status)]
    steps = [
        {
            "StepType": "BENCHMARK",
            "JobName": job.name,
            "Status": one.status,
            "InferenceBenchmark": _tested(one) | ({"FailureReason": one.reason} if one.reason else {}),
        }
        for one in found[first:last]
    ]
    return {"Steps": steps} | ({"NextToken": str(last)} if len(found) > last else {})


def stop_inference_recommendations_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a job stop; one that stops already goes on stopping."""
    job = _find(platform, request["JobName"])
    if job.status not in (PENDING, IN_PROGRESS, STOPPING):
        text = (
            f"The request was rejected because the inference recommendations job is in status {job.status}."
        )
        raise ValidationError(text)
    platform.recommender.stop(job.name)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateInferenceRecommendationsJob": create_inference_recommendations_job,
    "DescribeInferenceRecommendationsJob": describe_inference_recommendations_job,
    "ListInferenceRecommendationsJobs": list_inference_recommendations_jobs,
    "ListInferenceRecommendationsJobSteps": list_inference_recommendations_job_steps,
    "StopInferenceRecommendationsJob": stop_inference_recommendations_job,
}
_CONFIG, _CONTAINER = "InputConfig", "InputConfig.ContainerConfig"
_ONLY_MEASURED = "the configurations are measured, and not guessed from the kind of the model"
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateInferenceRecommendationsJob": Exceptions(
        without_effect={
            "RoleArn": ONE_MACHINE,
            "OutputConfig": "models are not compiled, and nothing is encrypted",
            f"{_CONFIG}.VolumeKmsKeyId": "the disk is not encrypted by the platform",
            f"{_CONFIG}.VpcConfig": ONE_MACHINE,
            f"{_CONFIG}.ResourceLimit.MaxParallelOfTests": "tests that share a machine disturb each other",
            f"{_CONFIG}.EndpointConfigurations.InferenceSpecificationName": "there is no model registry",
            f"{_CONTAINER}.Domain": _ONLY_MEASURED,
            f"{_CONTAINER}.Task": _ONLY_MEASURED,
            f"{_CONTAINER}.Framework": _ONLY_MEASURED,
            f"{_CONTAINER}.FrameworkVersion": _ONLY_MEASURED,
            f"{_CONTAINER}.NearestModelName": _ONLY_MEASURED,
            f"{_CONTAINER}.DataInputConfig": "models are not compiled",
        },
        refused={
            f"{_CONFIG}.ModelPackageVersionArn": "there is no model registry; name a model",
            f"{_CONFIG}.Endpoints": "instances of the job's own are tested, not those that have traffic",
        },
    ),
    "ListInferenceRecommendationsJobSteps": Exceptions(
        without_effect={"StepType": "there is one type"},
    ),
}
