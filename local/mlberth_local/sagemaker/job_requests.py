"""The checks and answers that training, processing and transform jobs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth.transfer.names import is_relative
from mlberth_local.errors import (
    ResourceInUseError,
    ResourceLimitExceededError,
    ValidationError,
    validation_message,
)
from mlberth_local.inputs.objects import split
from mlberth_local.jobs.capacity import instances
from mlberth_local.jobs.cluster import cluster_config
from mlberth_local.jobs.context import begin_stopping, new_state
from mlberth_local.platform import Platform
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

_LONGEST_PATH = 1024
"""Of a folder inside a host, in characters: it stands below the folder of the job, and files below it."""
_WORDS = {
    "training-job": "training job",
    "processing-job": "processing job",
    "transform-job": "transform job",
}


def submit(platform: Platform, kind: str, name: str, request: dict[str, Any], state: dict[str, Any]) -> str:
    """Start a job; returns its ARN.

    Raises ResourceInUseError if the name is taken, ResourceLimitExceededError if the machine is too small.
    """
    now = platform.clock()
    if problem := platform.jobs.context.capacity.refusal(instances(cluster_config(request))):
        raise ResourceLimitExceededError(problem)
    arn = platform.arn("sagemaker", f"{kind}/{name}")
    job = Resource(kind, name, arn, now, now, "InProgress", request, state)
    try:
        platform.jobs.submit(job)
    except NameTakenError:
        text = f"a {_WORDS[kind]} with this name already exists ({arn})"
        message = f"Job name must be unique within an AWS account and region, and {text}"
        raise ResourceInUseError(message) from None
    return arn


def fresh_state(platform: Platform, secondary: str = "", message: str = "") -> dict[str, Any]:
    """Return the state of a job that begins now."""
    return new_state(platform.clock(), secondary, message)


def find(platform: Platform, kind: str, name: str) -> Resource:
    """Return a job. Raises ValidationError: ACK's controller gives up at any other error."""
    try:
        found: Resource = platform.jobs.context.resources.get(kind, name)
    except NoSuchResourceError:
        raise _missing(kind, name) from None
    return found


def _missing(kind: str, name: str) -> ValidationError:
    """Return the service's own error, which is not the ResourceNotFound that its model declares."""
    if kind == "training-job":
        return ValidationError("Requested resource not found.")
    return ValidationError(f"Could not find requested job with name: {name}")


def stop(platform: Platform, kind: str, name: str) -> dict[str, Any]:
    """Let a job stop; one that stops already goes on stopping."""

    def apply(job: Resource) -> None:
        if job.status == "Stopping":
            return
        if job.status != "InProgress":
            text = f"The request was rejected because the {_WORDS[kind]} is in status {job.status}."
            raise ValidationError(text)
        now = platform.clock()
        begin_stopping(job, now)
        job.state |= {"stop_requested": now}

    _change(platform, kind, name, apply)
    return {}


def interrupt(platform: Platform, kind: str, name: str) -> dict[str, Any]:
    """Take a training job's machine away, as happens to spot instances: it starts again elsewhere."""

    def apply(job: Resource) -> None:
        if job.status != "InProgress" or job.state["phase"] != "running":
            phase = job.state.get("secondary", job.status)
            raise ValidationError(f"Only a {_WORDS[kind]} that trains can be interrupted; {name} is {phase}.")
        job.state["interrupt"] = True

    _change(platform, kind, name, apply)
    return {}


def _change(platform: Platform, kind: str, name: str, apply: Any) -> None:
    try:
        platform.jobs.change(kind, name, apply)
    except NoSuchResourceError:
        raise _missing(kind, name) from None


def check_addresses(addresses: Mapping[str, str | None]) -> None:
    """Raise ValidationError that names each member whose value is no s3:// address."""
    faults = []
    for member, address in addresses.items():
        try:
            split(address or "")
        except ValueError:
            faults.append(f"{member}: {address!r} is not an S3 URI such as s3://bucket/prefix")
    raise_all(faults)


def require(request: Mapping[str, Any], *members: str) -> None:
    """Raise ValidationError, in the service's words, for members that only other kinds of jobs do without."""
    faults = [
        f"Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
        for name in members
        if request.get(name) is None
    ]
    if faults:
        raise ValidationError(validation_message(faults))


def raise_all(faults: list[str]) -> None:
    """Raise a ValidationError with all faults, if there are any."""
    if faults:
        raise ValidationError("; ".join(faults))


def check_folder(member: str, path: str, above: str = DEFAULT_BASE) -> list[str]:
    """Return the fault of a path inside a host that is not below a folder, if it is not.

    The path's parts also name a folder of this machine, below the job's own: none may lead out of that.
    """
    name = path.removesuffix("/").removeprefix(f"{above}/")
    if not path.startswith(f"{above}/") or len(path) > _LONGEST_PATH or not is_relative(name):
        rule = f"of at most {_LONGEST_PATH} characters, without `.`, `..` and empty parts"
        return [f"{member}: {path!r} must be below {above}, {rule}"]
    return []


def check_checkpoint_folder(member: str, path: str) -> list[str]:
    """Return the fault of a folder of checkpoints: what the contract has for other files is taken."""
    name = path.removesuffix("/").removeprefix(f"{DEFAULT_BASE}/")
    if name in ("input", "model", "output") or name.startswith("input/"):
        return [f"{member}: {path!r} has contents of its own; use {DEFAULT_BASE}/checkpoints"]
    return check_folder(member, path)


def times(**values: float | None) -> dict[str, float]:
    """Return the members of an answer whose times are known."""
    return {name: value for name, value in values.items() if value is not None}
