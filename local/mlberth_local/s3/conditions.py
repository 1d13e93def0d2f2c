"""Conditions of a request: the bucket's owner, preconditions, the range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.errors import no_such_key, precondition_failed

_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")


def check_owner(platform: Platform, request: Mapping[str, Any]) -> None:
    """Raise AccessDenied if the request expects buckets of another account."""
    for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if request.get(name) not in {None, "", platform.account}:
            raise ServiceError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)


def check_read(request: Mapping[str, Any], found: StoredObject, prefix: str = "") -> None:
    """Raise PreconditionFailed, or NotModified, if an object is not as the request wants it.

    `prefix` is "CopySource" for the conditions of a copy.
    """
    modified = int(found.modified)
    match, none_match = request.get(f"{prefix}IfMatch"), request.get(f"{prefix}IfNoneMatch")
    since, unmodified = request.get(f"{prefix}IfModifiedSince"), request.get(f"{prefix}IfUnmodifiedSince")
    if match is not None and not _matches(match, found):
        raise precondition_failed("If-Match")
    if match is None and unmodified is not None and modified > unmodified:
        raise precondition_failed("If-Unmodified-Since")
    if (none_match is not None and _matches(none_match, found)) or (
        none_match is None and since is not None and modified <= since
    ):
        if prefix:
            raise precondition_failed("If-None-Match" if none_match is not None else "If-Modified-Since")
        raise ServiceError("NotModified", "Not Modified", HTTPStatus.NOT_MODIFIED)


def check_write(request: Mapping[str, Any], found: StoredObject | None) -> None:
    """Raise PreconditionFailed if the object that is there forbids a conditional write."""
    if (match := request.get("IfMatch")) is not None:
        if found is None:
            raise no_such_key(str(request["Key"]))
        if not _matches(match, found):
            raise precondition_failed("If-Match")
    none_match = request.get("IfNoneMatch")
    if none_match is not None and found is not None and _matches(none_match, found):
        raise precondition_failed("If-None-Match")


def _matches(expected: str, found: StoredObject) -> bool:
    wanted = {one.strip().removeprefix("W/").strip('"') for one in expected.split(",")}
    return "*" in wanted or found.record.etag in wanted


def read_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return first byte and length of `bytes=FIRST-LAST`; None for the whole, or a form that is ignored.

    Raises InvalidRange for one outside the object.
    """
    found = _RANGE.fullmatch(text or "")
    if not found or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        length = min(int(found["last"]), size)
        first, last = size - length, size - 1
    else:
        first, last = int(found["first"]), min(int(found["last"] or size - 1), size - 1)
        if found["last"] and int(found["last"]) < first:
            return None
    if first > last:
        text = "The requested range is not satisfiable"
        raise ServiceError("InvalidRange", text, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return first, last - first + 1
