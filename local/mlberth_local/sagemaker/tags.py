"""Tags of resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlberth_local.errors import ValidationError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.store.resources import NoSuchResourceError, Resource

_MOST_TAGS = 50


def add_tags(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Add tags to a resource; those of the same keys are replaced."""

    def apply(tags: dict[str, str]) -> None:
        tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        if len(tags) > _MOST_TAGS:
            raise ValidationError(f"A resource has at most {_MOST_TAGS} tags; found {len(tags)}.")

    return {"Tags": _change(platform, request["ResourceArn"], apply)}


def delete_tags(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove the tags of some keys; keys that are not there are no error."""

    def apply(tags: dict[str, str]) -> None:
        for key in request["TagKeys"]:
            tags.pop(key, None)

    _change(platform, request["ResourceArn"], apply)
    return {}


def list_tags(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the tags of a resource."""
    kind, name = _kind_and_name(platform, request["ResourceArn"])
    try:
        return {"Tags": _as_list(_tags(platform.jobs.context.resources.get(kind, name)))}
    except NoSuchResourceError:
        raise _not_found(request["ResourceArn"]) from None


def _change(platform: Platform, arn: str, apply: Callable[[dict[str, str]], None]) -> list[dict[str, str]]:
    kind, name = _kind_and_name(platform, arn)
    try:
        with platform.jobs.context.resources.changing(kind, name) as resource:
            tags = _tags(resource)
            apply(tags)
            resource.state["tags"] = tags
    except NoSuchResourceError:
        raise _not_found(arn) from None
    return _as_list(tags)


def _tags(resource: Resource) -> dict[str, str]:
    """Return the tags as they were changed last, or those of the request."""
    requested = {tag["Key"]: tag["Value"] for tag in resource.request.get("Tags") or []}
    return dict(resource.state.get("tags", requested))


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _kind_and_name(platform: Platform, arn: str) -> tuple[str, str]:
    kind, _, name = arn.removeprefix(platform.arn("sagemaker", "")).partition("/")
    return kind, name


def _not_found(arn: str) -> ValidationError:
    return ValidationError(f'Could not find resource "{arn}".')


OPERATIONS: dict[str, Operation] = {"AddTags": add_tags, "DeleteTags": delete_tags, "ListTags": list_tags}
EXCEPTIONS: dict[str, Exceptions] = {
    "ListTags": Exceptions(without_effect={"MaxResults": "all tags are in one page", "NextToken": "the same"})
}
