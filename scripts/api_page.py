"""The page of the platform's API: each operation and parameter, and whether it is carried out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlberth_local.api import invocations, registry
from mlberth_local.api.forms.models import service_model
from mlberth_local.operations import Exceptions

TITLES = {
    "sagemaker": "SageMaker",
    "sagemaker-runtime": "SageMaker Runtime",
    "s3": "S3",
    "sts": "STS",
    "iam": "IAM",
    "logs": "CloudWatch Logs",
    "cloudwatch": "CloudWatch",
    "ecr": "ECR",
    "sns": "SNS",
    "application-autoscaling": "Application Auto Scaling",
}


def api_page(note: str) -> str:
    """Return the page."""
    lines = [
        note,
        "",
        "# The platform's API",
        "",
        "What `mlberth up` carries out. A parameter that is *accepted* is kept and described as the",
        "service does, and nothing follows from it; one that is *refused* is answered with an error that",
        "says why. Any other operation is answered with `UnknownOperationException` and the list of those",
        "that are here.",
    ]
    found = {
        service: {name: registry.exceptions(service, name) for name in operations}
        for service, operations in registry.OPERATIONS.items()
    }
    runtime = "sagemaker-runtime"
    found[runtime] = {**found.get(runtime, {}), **invocations.OPERATIONS}
    for service, title in TITLES.items():
        lines += ["", f"## {title}", ""]
        for operation, exceptions in sorted(found[service].items()):
            lines += _operation(service, operation, exceptions)
    return "\n".join([*lines, ""])


def _operation(service: str, operation: str, exceptions: Exceptions) -> Iterator[str]:
    shape = service_model(service).operation_model(operation).input_shape
    members = list(shape.members) if shape is not None else []
    left_out = {*exceptions.without_effect, *exceptions.refused}
    yield f"### {operation}"
    yield ""
    carried_out = _names(name for name in members if name not in left_out)
    yield f"- Carried out: {carried_out or 'it has no parameters'}."
    yield from _listed("Accepted, without effect", exceptions.without_effect, members)
    yield from _listed("Refused", exceptions.refused, members)
    yield ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listed(title: str, reasons: Mapping[str, str], members: list[str]) -> Iterator[str]:
    """Yield a line for each reason, with the parameters that it is the reason of."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if name.split(".")[0] in members:
            by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"- {title}: {_names(names)} ({reason})."
