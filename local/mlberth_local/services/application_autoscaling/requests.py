"""The target that a request names, and the pages of a list: for all operations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from mlberth_local.errors import ServiceError, ValidationError
from mlberth_local.platform import Platform
from mlberth_local.scaling.records import TARGET, key, rows
from mlberth_local.scaling.variants import DIMENSION, names_of
from mlberth_local.store.resources import NoSuchResourceError, Resource

NAMESPACE = "sagemaker"
_PAGE = 50
T = TypeVar("T")


def check_target(request: dict[str, Any]) -> str:
    """Return the resource of a request. Raises `ValidationError` with all that is not of this platform."""
    resource_id: str = request.get("ResourceId") or ""
    found = list(_namespace_faults(request))
    if names_of(resource_id) is None:
        found.append(f"Unsupported ResourceId {resource_id!r}: expected endpoint/NAME/variant/NAME.")
    if found:
        raise ValidationError(" ".join(found))
    return resource_id


def check_namespace(request: dict[str, Any]) -> None:
    """Raise `ValidationError` if a request is of another service."""
    if found := list(_namespace_faults(request)):
        raise ValidationError(" ".join(found))


def _namespace_faults(request: dict[str, Any]) -> Iterable[str]:
    namespace, dimension = request["ServiceNamespace"], request.get("ScalableDimension")
    if namespace != NAMESPACE:
        yield f"Unsupported service namespace {namespace!r}: only {NAMESPACE} is scaled here."
    if dimension not in {None, DIMENSION}:
        yield f"Unsupported scalable dimension {dimension!r}: only {DIMENSION} is scaled here."


def find_target(platform: Platform, resource_id: str) -> Resource:
    """Return a target. Raises `ServiceError` if it is not registered."""
    try:
        row: Resource = platform.scaling.resources.get(TARGET, resource_id)
    except NoSuchResourceError:
        text = "No scalable target registered for" + place(resource_id)
        raise ServiceError("ObjectNotFoundException", text) from None
    return row


def find_part(platform: Platform, kind: str, resource_id: str, name: str) -> Resource | None:
    """Return a policy or a scheduled action of a target; None if there is none of this name."""
    try:
        row: Resource = platform.scaling.resources.get(kind, key(resource_id, name))
    except NoSuchResourceError:
        return None
    return row


def find_parts(
    platform: Platform, kind: str, request: dict[str, Any], wanted: Sequence[str] | None
) -> list[Resource]:
    """Return the policies or scheduled actions that a request asks for, by name or ARN, or all of them."""
    check_namespace(request)
    return [
        row
        for row in rows(platform.scaling.resources, kind, request.get("ResourceId") or "")
        if not wanted or row.name.partition("|")[2] in wanted or row.arn in wanted
    ]


def describe_part(row: Resource) -> dict[str, Any]:
    """Return the members that describe a policy or a scheduled action alike."""
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": row.name.partition("|")[0],
        "ScalableDimension": DIMENSION,
        **row.state["definition"],
        "CreationTime": row.created,
    }


def place(resource_id: str) -> str:
    """Return the words by which the service's errors name a target."""
    return f" service namespace: {NAMESPACE}, resource ID: {resource_id}, scalable dimension: {DIMENSION}"


def page(request: dict[str, Any], found: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """Return a page of a list, and the member NextToken if there is another one."""
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise ServiceError("InvalidNextTokenException", "The NextToken is not one of an earlier answer.")
    start, limit = int(token), min(request.get("MaxResults") or _PAGE, _PAGE)
    rest = {"NextToken": str(start + limit)} if len(found) > start + limit else {}
    return found[start : start + limit], rest
