"""Processing jobs."""

from __future__ import annotations

from typing import Any

from mlberth_local.jobs.processing import FOLDER, KIND, inputs, outputs
from mlberth_local.operations import ONE_MACHINE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import job_requests
from mlberth_local.sagemaker.job_requests import check_addresses, check_folder, raise_all, times
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import Resource


def create_processing_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Start a processing job."""
    check(request)
    state = job_requests.fresh_state(platform)
    arn = job_requests.submit(platform, KIND, request["ProcessingJobName"], request, state)
    return {"ProcessingJobArn": arn}


def check(request: dict[str, Any]) -> None:
    """Raise ValidationError with all that is wrong in a request beside what its model says."""
    faults: list[str] = []
    entries = request.get("ProcessingInputs") or []
    names = [entry["InputName"] for entry in entries]
    results = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    names_out = [entry["OutputName"] for entry in results]
    for member, given in (("ProcessingInputs", names), ("ProcessingOutputConfig.Outputs", names_out)):
        twice = sorted({name for name in given if given.count(name) > 1})
        faults += [f"{member}: two are called {name}" for name in twice]
    for entry in entries:
        source = entry.get("S3Input") or {}
        if not entry.get("AppManaged") and not source.get("LocalPath"):
            faults.append(f"ProcessingInputs.{entry['InputName']}: S3Input with LocalPath is required")
    for entry in results:
        if not entry.get("AppManaged") and not (entry.get("S3Output") or {}).get("LocalPath"):
            place = f"ProcessingOutputConfig.Outputs.{entry['OutputName']}"
            faults.append(f"{place}: S3Output with LocalPath is required")
    raise_all(faults)
    for one in inputs(request):
        faults += check_folder("ProcessingInputs.S3Input.LocalPath", one.source["LocalPath"], FOLDER)
    for output in outputs(request):
        faults += check_folder("ProcessingOutputConfig.S3Output.LocalPath", output["LocalPath"], FOLDER)
    raise_all(faults)
    addresses: dict[str, str | None] = {}
    for one in inputs(request):
        addresses[f"ProcessingInputs.{one.name}.S3Uri"] = one.source["S3Uri"]
    for number, output in enumerate(outputs(request), 1):
        addresses[f"ProcessingOutputConfig.Outputs.{number}.S3Uri"] = output["S3Uri"]
    check_addresses(addresses)


def describe_processing_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a job's request, and how far it is."""
    job = job_requests.find(platform, KIND, request["ProcessingJobName"])
    state = job.state
    answer = {name: value for name, value in job.request.items() if name != "Tags"}
    answer |= {
        "ProcessingJobArn": job.arn,
        "ProcessingJobStatus": job.status,
        **times(
            CreationTime=job.created,
            LastModifiedTime=job.modified,
            ProcessingStartTime=state.get("processing_started"),
            ProcessingEndTime=state.get("processing_ended"),
        ),
    }
    texts = {
        "FailureReason": state.get("reason"),
        "ExitMessage": state.get("message") or state.get("exit_reason"),
    }
    return answer | {name: text for name, text in texts.items() if text}


def list_processing_jobs(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List jobs, a page at a time."""
    resources = platform.jobs.context.resources
    return list_page(resources, KIND, request, "ProcessingJobSummaries", _summary, descending=False)


def _summary(job: Resource) -> dict[str, Any]:
    found = {
        "ProcessingJobName": job.name,
        "ProcessingJobArn": job.arn,
        "ProcessingJobStatus": job.status,
        **times(
            CreationTime=job.created,
            LastModifiedTime=job.modified,
            ProcessingEndTime=job.state.get("processing_ended"),
        ),
    }
    texts = {"FailureReason": job.state.get("reason"), "ExitMessage": job.state.get("message")}
    return found | {name: text for name, text in texts.items() if text}


def stop_processing_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a job stop: SIGTERM, and 120 seconds later SIGKILL."""
    return job_requests.stop(platform, KIND, request["ProcessingJobName"])


OPERATIONS: dict[str, Operation] = {
    "CreateProcessingJob": create_processing_job,
    "DescribeProcessingJob": describe_processing_job,
    "ListProcessingJobs": list_processing_jobs,
    "StopProcessingJob": stop_processing_job,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateProcessingJob": Exceptions(
        without_effect={
            "RoleArn": ONE_MACHINE,
            "NetworkConfig.VpcConfig": ONE_MACHINE,
            "NetworkConfig.EnableInterContainerTrafficEncryption": "the hosts are on one machine",
            "ProcessingOutputConfig.KmsKeyId": "objects are not encrypted",
            "ProcessingResources.ClusterConfig.VolumeSizeInGB": "the machine's disk is used",
            "ProcessingResources.ClusterConfig.VolumeKmsKeyId": "the disk is not encrypted by the platform",
            "ProcessingResources.ClusterConfig.InstancePreferences": ONE_MACHINE,
            "ExperimentConfig": "no experiments",
        },
        refused={
            "ProcessingInputs.DatasetDefinition": "there is no Athena and no Redshift",
            "ProcessingOutputConfig.Outputs.FeatureStoreOutput": "there is no feature store",
        },
    ),
}
