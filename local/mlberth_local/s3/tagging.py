"""Tags of objects, which are in their records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, records
from mlberth_local.s3.conditions import check_owner

MOST_TAGS = 10


def get_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return an object's tags."""
    check_owner(platform, request)
    found = buckets.find(platform.buckets, request["Bucket"], request["Key"])
    return {"TagSet": [{"Key": name, "Value": value} for name, value in found.record.tags.items()]}


def put_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Replace an object's tags."""
    tags = (request.get("Tagging") or {}).get("TagSet") or []
    if len(tags) > MOST_TAGS:
        raise ServiceError("BadRequest", "Object tags cannot be greater than 10")
    _write(platform, request, {tag["Key"]: tag.get("Value", "") for tag in tags})
    return {}


def delete_object_tagging(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove an object's tags."""
    _write(platform, request, {})
    return {}


def _write(platform: Platform, request: dict[str, Any], tags: dict[str, str]) -> None:
    check_owner(platform, request)
    bucket, key = request["Bucket"], request["Key"]
    with buckets.lock():
        found = buckets.find(platform.buckets, bucket, key)
        record = replace(found.record, tags=tags)
        records.write(records.record_path(platform.buckets, bucket, key), record, found.path.stat())
