"""Transform jobs."""

from __future__ import annotations

from typing import Any

from mlberth_local.endpoints.multi_model import multi_model_place
from mlberth_local.jobs.transform import KIND, form_of
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import job_requests, models
from mlberth_local.sagemaker.job_requests import check_addresses, raise_all, times
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import Resource
from mlberth_local.transform.json_path import JsonPathError
from mlberth_local.transform.records import CSV, FORMATS
from mlberth_local.transform.transformation import LARGEST_PAYLOAD_MB

_BINARY = ("RecordIO", "TFRecord")
_DATA_TYPES = ("S3Prefix", "ManifestFile")
"""Of the shape's four: the service's documentation names these two as compatible with transforms."""


def create_transform_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Start a transform job with a model that there is."""
    model = models.find(platform, request["ModelName"])
    _check(request, model)
    state = job_requests.fresh_state(platform)
    isolated = bool(model.request.get("EnableNetworkIsolation"))
    # The model may be deleted while the job runs.
    state |= {"containers": models.containers_of(model.request), "isolated": isolated}
    arn = job_requests.submit(platform, KIND, request["TransformJobName"], request, state)
    return {"TransformJobArn": arn}


def _check(request: dict[str, Any], model: Resource) -> None:
    given = request["TransformInput"]
    faults = _processing_faults(request)
    if (model.request.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct":
        faults.append(
            f"ModelName: model {model.name} has InferenceExecutionConfig.Mode Direct, in which each request"
            " names a container; a batch takes a model with one container, or with Mode Serial"
        )
    if multi_model_place(models.containers_of(model.request)) is not None:
        faults.append(f"ModelName: model {model.name} has Mode MultiModel; a batch takes a model of its own")
    kind = given["DataSource"]["S3DataSource"].get("S3DataType") or "S3Prefix"
    if kind not in _DATA_TYPES:
        faults.append(f"TransformInput: S3DataType {kind} is not compatible; use {' or '.join(_DATA_TYPES)}")
    strategy, split = request.get("BatchStrategy"), given.get("SplitType") or "None"
    if strategy and split == "None":
        faults.append("BatchStrategy: SplitType must be Line, RecordIO or TFRecord to use it")
    concurrent, payload = request.get("MaxConcurrentTransforms") or 1, request.get("MaxPayloadInMB")
    if payload is not None and concurrent * payload > LARGEST_PAYLOAD_MB:
        faults.append(
            f"MaxConcurrentTransforms * MaxPayloadInMB must be at most {LARGEST_PAYLOAD_MB} MB; "
            f"found {concurrent} * {payload}"
        )
    if payload == 0 and split != "None":
        faults.append("MaxPayloadInMB: 0 sends whole objects, so SplitType must be None")
    raise_all(faults)
    check_addresses(
        {
            "TransformInput.S3Uri": given["DataSource"]["S3DataSource"]["S3Uri"],
            "TransformOutput.S3OutputPath": request["TransformOutput"]["S3OutputPath"],
        }
    )


def _processing_faults(request: dict[str, Any]) -> list[str]:
    """Return the faults of DataProcessing: filters are paths, and both sides have one format."""
    output = request["TransformOutput"]
    try:
        form = form_of(request)
    except JsonPathError as error:
        return [f"DataProcessing: {error}"]
    data = form.processing
    if data is None:
        return []
    faults = []
    accept = (output.get("Accept") or data.media_type).split(";")[0].strip()
    if data.media_type not in FORMATS:
        faults.append(
            f"DataProcessing: ContentType must be one of {', '.join(FORMATS)}; found {data.media_type}"
        )
    elif data.joins and accept != data.media_type:
        faults.append(
            f"DataProcessing: ContentType and Accept must agree; found {data.media_type} and {accept}"
        )
    if data.media_type == CSV and (data.input_filter.has_names or data.output_filter.has_names):
        faults.append("DataProcessing: columns of text/csv have no names; use indexes such as $[0]")
    if form.split_type in _BINARY:
        faults.append(f"DataProcessing: SplitType must be None or Line; found {form.split_type}")
    if data.changes_output and form.split_type == "Line" and (output.get("AssembleWith") or "None") != "Line":
        faults.append("DataProcessing: AssembleWith must be Line if SplitType is Line")
    return faults


def describe_transform_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a job's request, and how far it is."""
    job = job_requests.find(platform, KIND, request["TransformJobName"])
    answer = {name: value for name, value in job.request.items() if name != "Tags"}
    answer["TransformInput"] = {"CompressionType": "None", "SplitType": "None", **answer["TransformInput"]}
    answer |= {
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        **times(
            CreationTime=job.created,
            TransformStartTime=job.state.get("transform_started"),
            TransformEndTime=job.state.get("transform_ended"),
        ),
    }
    return answer | ({"FailureReason": job.state["reason"]} if job.state.get("reason") else {})


def list_transform_jobs(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List jobs, a page at a time."""
    return list_page(platform.jobs.context.resources, KIND, request, "TransformJobSummaries", _summary)


def _summary(job: Resource) -> dict[str, Any]:
    found = {
        "TransformJobName": job.name,
        "TransformJobArn": job.arn,
        "TransformJobStatus": job.status,
        **times(
            CreationTime=job.created,
            LastModifiedTime=job.modified,
            TransformEndTime=job.state.get("transform_ended"),
        ),
    }
    return found | ({"FailureReason": job.state["reason"]} if job.state.get("reason") else {})


def stop_transform_job(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a job stop: what is whole stays, and nothing is stored of the rest."""
    return job_requests.stop(platform, KIND, request["TransformJobName"])


OPERATIONS: dict[str, Operation] = {
    "CreateTransformJob": create_transform_job,
    "DescribeTransformJob": describe_transform_job,
    "ListTransformJobs": list_transform_jobs,
    "StopTransformJob": stop_transform_job,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateTransformJob": Exceptions(
        without_effect={
            "TransformOutput.KmsKeyId": "objects are not encrypted",
            "TransformResources.VolumeKmsKeyId": "the disk is not encrypted by the platform",
            "TransformResources.TransformAmiVersion": "there is one machine",
            "ExperimentConfig": "no experiments",
        },
        refused={"DataCaptureConfig": "batches are not captured"},
    ),
}
