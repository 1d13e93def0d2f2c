"""Training jobs."""

from __future__ import annotations

import math
import re
from typing import Any

from mlberth_local.errors import ValidationError
from mlberth_local.inputs.channels import source_faults
from mlberth_local.jobs.capacity import instances
from mlberth_local.jobs.training import KIND
from mlberth_local.operations import ONE_MACHINE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import job_requests, warm_pools
from mlberth_local.sagemaker.job_requests import (
    check_addresses,
    check_checkpoint_folder,
    raise_all,
    require,
    times,
)
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import Resource

_NOT_IN_DESCRIBE = ("Tags",)


def create_training_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Start a training job."""
    check(request)
    for channel in request.get("InputDataConfig") or []:
        channel.setdefault("CompressionType", "None")
        channel.setdefault("RecordWrapperType", "None")
    notice = platform.jobs.context.capacity.notice(instances(request["ResourceConfig"]))
    message = "Starting the training job" + (f". {notice}" if notice else "")
    state = job_requests.fresh_state(platform, "Starting", message)
    arn = job_requests.submit(platform, KIND, request["TrainingJobName"], request, state)
    warm_pools.take(platform, request, platform.clock())
    return {"TrainingJobArn": arn}


def check(request: dict[str, Any]) -> None:
    """Raise ValidationError with all that is wrong in a request beside what its model says."""
    # The model does not require them: serverless jobs have others.
    require(request, "AlgorithmSpecification", "ResourceConfig", "OutputDataConfig")
    algorithm = request["AlgorithmSpecification"]
    faults = []
    if not (algorithm.get("TrainingImage") or algorithm.get("AlgorithmName")):
        faults.append("AlgorithmSpecification: TrainingImage or AlgorithmName is required")
    for definition in algorithm.get("MetricDefinitions") or []:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            faults.append(f"MetricDefinitions: the Regex of {definition['Name']} is not valid: {error}")
    resources = request["ResourceConfig"]
    if not resources.get("InstanceGroups") and not resources.get("InstanceType"):
        faults.append("ResourceConfig: InstanceType or InstanceGroups is required")
    elif not sum(count for _, count in instances(resources)):
        faults.append("ResourceConfig: InstanceCount must be at least 1")
    condition = request.get("StoppingCondition") or {}
    wait, runtime = condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds") or 0
    if request.get("EnableManagedSpotTraining") and (wait is None or wait < runtime):
        faults.append(
            "StoppingCondition: Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal"
            " to MaxRuntimeInSeconds with EnableManagedSpotTraining"
        )
    if path := (request.get("CheckpointConfig") or {}).get("LocalPath"):
        faults += check_checkpoint_folder("CheckpointConfig.LocalPath", path)
    raise_all(faults + _channel_faults(request))
    check_addresses(_addresses(request))


def _channel_faults(request: dict[str, Any]) -> list[str]:
    channels = request.get("InputDataConfig") or []
    names = [channel["ChannelName"] for channel in channels]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [f"InputDataConfig: two channels are called {name}" for name in twice]
    faults += [f"InputDataConfig: {name!r} is no name of a folder" for name in names if name in (".", "..")]
    for channel in channels:
        where, source = f"InputDataConfig.{channel['ChannelName']}", channel["DataSource"]
        if "S3DataSource" not in source:
            faults.append(f"{where}.DataSource: S3DataSource is required; other sources do not exist here")
        else:
            faults += [f"{where}: {fault}" for fault in source_faults(source["S3DataSource"])]
    return faults


def _addresses(request: dict[str, Any]) -> dict[str, str | None]:
    found = {"OutputDataConfig.S3OutputPath": request["OutputDataConfig"].get("S3OutputPath")}
    for channel in request.get("InputDataConfig") or []:
        name = f"InputDataConfig.{channel['ChannelName']}.S3Uri"
        found[name] = channel["DataSource"]["S3DataSource"]["S3Uri"]
    if checkpoints := request.get("CheckpointConfig"):
        found["CheckpointConfig.S3Uri"] = checkpoints["S3Uri"]
    return found


def describe_training_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a job's request, and how far it is."""
    job = job_requests.find(platform, KIND, request["TrainingJobName"])
    pool = warm_pools.status(job, platform.clock())
    return {**describe(job), **({"WarmPoolStatus": pool} if pool else {})}


def describe(job: Resource) -> dict[str, Any]:
    """Return the answer for a job."""
    state = job.state
    answer = {name: value for name, value in job.request.items() if name not in _NOT_IN_DESCRIBE}
    answer["OutputDataConfig"] = {"KmsKeyId": "", **answer["OutputDataConfig"]}
    answer["AlgorithmSpecification"] = {
        "EnableSageMakerMetricsTimeSeries": False,
        **answer["AlgorithmSpecification"],
    }
    answer |= {
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": state["secondary"],
        "SecondaryStatusTransitions": state["transitions"],
        "EnableNetworkIsolation": bool(job.request.get("EnableNetworkIsolation")),
        "EnableInterContainerTrafficEncryption": bool(
            job.request.get("EnableInterContainerTrafficEncryption")
        ),
        "EnableManagedSpotTraining": bool(job.request.get("EnableManagedSpotTraining")),
        **times(
            CreationTime=job.created,
            LastModifiedTime=job.modified,
            TrainingStartTime=state.get("training_started"),
            TrainingEndTime=state.get("training_ended"),
        ),
    }
    if state.get("model"):
        answer["ModelArtifacts"] = {"S3ModelArtifacts": state["model"]}
    if state.get("reason"):
        answer["FailureReason"] = state["reason"]
    if state.get("metrics"):
        answer["FinalMetricDataList"] = state["metrics"]
    if "training_seconds" in state:
        answer["TrainingTimeInSeconds"] = state["training_seconds"]
        # A spot instance that was taken away costs nothing until the next one trains.
        interrupted = answer["EnableManagedSpotTraining"] and state["attempt"] > 1
        trained = math.ceil(state.get("run_seconds", 0.0)) if interrupted else state["training_seconds"]
        answer["BillableTimeInSeconds"] = trained
    return answer


def list_training_jobs(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List jobs, a page at a time."""
    resources, now, wanted = (
        platform.jobs.context.resources,
        platform.clock(),
        request.get("WarmPoolStatusEquals"),
    )

    def has_pool(job: Resource) -> bool:
        pool = warm_pools.status(job, now)
        return pool is not None and pool["Status"] == wanted

    return list_page(
        resources,
        KIND,
        request,
        "TrainingJobSummaries",
        lambda job: _summary(job, now),
        descending=False,
        chosen=has_pool if wanted else None,
    )


def _summary(job: Resource, now: float) -> dict[str, Any]:
    pool = warm_pools.status(job, now)
    return {
        **({"WarmPoolStatus": pool} if pool else {}),
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.state["secondary"],
        **times(
            CreationTime=job.created,
            LastModifiedTime=job.modified,
            TrainingEndTime=job.state.get("training_ended"),
        ),
    }


def stop_training_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a job stop: SIGTERM, and 120 seconds later SIGKILL."""
    return job_requests.stop(platform, KIND, request["TrainingJobName"])


def update_training_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Change how long a job's instances are kept after it."""
    job = job_requests.find(platform, KIND, request["TrainingJobName"])
    seconds = (request.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
    if seconds is not None:
        if not warm_pools.keep_seconds(job):
            raise ValidationError("The training job keeps no instances: it has no KeepAlivePeriodInSeconds.")
        platform.jobs.change(KIND, job.name, lambda found: warm_pools.keep(found, seconds, platform.clock()))
    return {"TrainingJobArn": job.arn}


def interrupt_training_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a job's spot instance away; it starts again from its checkpoints. No operation of the service."""
    return job_requests.interrupt(platform, KIND, request["TrainingJobName"])


OPERATIONS: dict[str, Operation] = {
    "CreateTrainingJob": create_training_job,
    "DescribeTrainingJob": describe_training_job,
    "ListTrainingJobs": list_training_jobs,
    "StopTrainingJob": stop_training_job,
    "UpdateTrainingJob": update_training_job,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateTrainingJob": Exceptions(
        without_effect={
            "RoleArn": ONE_MACHINE,
            "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "metrics always have times",
            "AlgorithmSpecification.TrainingImageConfig": "images are local",
            "InputDataConfig.DataSource.S3DataSource.ModelAccessConfig": ONE_MACHINE,
            "MlflowConfig": "no MLflow server is started",
            "ResourceConfig.InstancePreferences": ONE_MACHINE,
            "VpcConfig": ONE_MACHINE,
            "OutputDataConfig.KmsKeyId": "objects are not encrypted",
            "ResourceConfig.VolumeSizeInGB": "the machine's disk is used",
            "ResourceConfig.VolumeKmsKeyId": "the disk is not encrypted by the platform",
            "ResourceConfig.TrainingPlanArn": ONE_MACHINE,
            "ResourceConfig.InstancePlacementConfig": ONE_MACHINE,
            "EnableInterContainerTrafficEncryption": "the hosts are on one machine",
            "DebugHookConfig": "no debugger",
            "DebugRuleConfigurations": "no debugger",
            "ProfilerConfig": "no profiler",
            "ProfilerRuleConfigurations": "no profiler",
            "TensorBoardOutputConfig": "no TensorBoard",
            "ExperimentConfig": "no experiments",
            "RetryStrategy": "nothing of the platform fails by chance",
            "RemoteDebugConfig": "`docker exec` does the same",
            "InfraCheckConfig": ONE_MACHINE,
            "SessionChainingConfig": ONE_MACHINE,
        },
        refused={
            "InputDataConfig.DataSource.DatasetSource": "there is no registry of data sets",
            "InputDataConfig.DataSource.FileSystemDataSource": "there is no EFS and no FSx; use S3",
            "InputDataConfig.DataSource.S3DataSource.HubAccessConfig": "there is no hub",
            "ModelPackageConfig": "there is no model registry",
            "ServerlessJobConfig": "there are no serverless jobs",
        },
    ),
    "ListTrainingJobs": Exceptions(
        without_effect={
            "TrainingPlanArnEquals": "there are no training plans",
        },
    ),
    "UpdateTrainingJob": Exceptions(
        without_effect={
            "ProfilerConfig": "no profiler",
            "ProfilerRuleConfigurations": "no profiler",
            "RemoteDebugConfig": "`docker exec` does the same",
        },
    ),
}
