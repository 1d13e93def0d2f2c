"""Requests of CreateInferenceRecommendationsJob: what the service's model does not say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlberth_local.inputs.objects import split
from mlberth_local.recommendations import candidates, traffic
from mlberth_local.recommendations.context import Times
from mlberth_local.recommendations.prices import Prices

_LONGEST_SECONDS = 18000
_PERCENTILES = ("P95", "P99")


def faults(request: Mapping[str, Any], prices: Prices) -> Iterator[str]:
    """Yield what is wrong with a request of CreateInferenceRecommendationsJob, beyond its model."""
    config = request["InputConfig"]
    if not config.get("ModelName"):
        yield "InputConfig.ModelName is required"
    payload = (config.get("ContainerConfig") or {}).get("PayloadConfig") or {}
    address = payload.get("SamplePayloadUrl")
    if not address:
        yield "InputConfig.ContainerConfig.PayloadConfig.SamplePayloadUrl is required"
    else:
        try:
            split(address)
        except ValueError:
            yield f"SamplePayloadUrl: {address!r} is not an S3 URI such as s3://bucket/samples.tar.gz"
    yield from _type_faults(config.get("ContainerConfig") or {})
    duration = config.get("JobDurationInSeconds") or Times.job
    if duration > _LONGEST_SECONDS:
        yield f"InputConfig.JobDurationInSeconds: {duration} must be at most {_LONGEST_SECONDS}"
    yield from candidates.faults(config, prices)
    if pattern := config.get("TrafficPattern"):
        yield from traffic.faults(pattern, duration)
    yield from _condition_faults(request.get("StoppingConditions") or {})


def _type_faults(container: Mapping[str, Any]) -> Iterator[str]:
    """Yield the media types that no header can have."""
    given = {
        "PayloadConfig.SupportedContentTypes": (container.get("PayloadConfig") or {}).get(
            "SupportedContentTypes"
        ),
        "SupportedResponseMIMETypes": container.get("SupportedResponseMIMETypes"),
    }
    for member, types in given.items():
        for text in types or []:
            if not (text.isascii() and text.isprintable() and text):
                yield f"InputConfig.ContainerConfig.{member}: {text!r} is not a media type"


def _condition_faults(given: Mapping[str, Any]) -> Iterator[str]:
    if (most := given.get("MaxInvocations")) is not None and most < 1:
        yield f"StoppingConditions.MaxInvocations: {most} must be at least 1"
    for threshold in given.get("ModelLatencyThresholds") or []:
        where = "StoppingConditions.ModelLatencyThresholds"
        if (percentile := threshold.get("Percentile") or "P95") not in _PERCENTILES:
            yield f"{where}.Percentile: {percentile!r} must be one of {', '.join(_PERCENTILES)}"
        value = threshold.get("ValueInMilliseconds")
        if value is None or value < 1:
            yield f"{where}.ValueInMilliseconds: {value} must be at least 1"
