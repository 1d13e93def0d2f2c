"""Tags of objects, which are in their records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, records
from mlberth_local.s3.conditions import check_owner, check_version

MOST_TAGS, LONGEST_NAME, LONGEST_VALUE = 10, 128, 256
"""Of an object; names and values in characters."""


def get_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return an object's tags."""
    check_owner(platform, request)
    check_version(request.get("VersionId"))
    found = buckets.find(platform.buckets, request["Bucket"], request["Key"])
    return {"TagSet": [{"Key": name, "Value": value} for name, value in found.record.tags.items()]}


def put_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Replace an object's tags."""
    tags = request["Tagging"]["TagSet"]
    _write(platform, request, _checked([(tag["Key"], tag["Value"]) for tag in tags]))
    return {}


def tags_of(text: str | None) -> dict[str, str]:
    """Return the tags in a header `a=1&b=2`. Raises `ServiceError` for those that S3 does not take."""
    return _checked(parse_qsl(text or "", keep_blank_values=True))


def _checked(tags: list[tuple[str, str]]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise ServiceError("BadRequest", "Object tags cannot be greater than 10")
    for name, value in tags:
        if not 0 < len(name) <= LONGEST_NAME:
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid")
        if len(value) > LONGEST_VALUE:
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid")
    if len(dict(tags)) < len(tags):
        raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key")
    return dict(tags)


def delete_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove an object's tags."""
    _write(platform, request, {})
    return {}


def _write(platform: Platform, request: dict[str, Any], tags: dict[str, str]) -> None:
    check_owner(platform, request)
    check_version(request.get("VersionId"))
    bucket, key = request["Bucket"], request["Key"]
    with buckets.lock():
        found = buckets.find(platform.buckets, bucket, key)
        record = replace(found.record, tags=tags)
        records.write(records.record_path(platform.buckets, bucket, key), record, found.path.stat())
