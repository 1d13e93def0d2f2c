"""Conditions of a request: the bucket's owner, preconditions, the range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.errors import invalid_argument, no_such_key, precondition_failed

_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,400})-(?P<last>[0-9]{0,400})")


def check_owner(platform: Platform, request: Mapping[str, Any]) -> None:
    """Raise AccessDenied if the request expects buckets of another account."""
    for name in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
        if request.get(name) not in {None, "", platform.account}:
            raise ServiceError("AccessDenied", "Access Denied", HTTPStatus.FORBIDDEN)


def check_version(version: str | None) -> None:
    """Raise NoSuchVersion for another version than `null`, which is the one that an object has here."""
    if version == "":
        raise invalid_argument("Version id cannot be the empty string")
    if version not in {None, "null"}:
        raise ServiceError("NoSuchVersion", "The specified version does not exist.", HTTPStatus.NOT_FOUND)


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
        headers = {"ETag": found.quoted_etag, "Last-Modified": formatdate(modified, usegmt=True)}
        raise ServiceError("NotModified", "Not Modified", HTTPStatus.NOT_MODIFIED, headers=headers)


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
        raise _not_satisfiable(size)
    return first, last - first + 1


def read_source_range(text: str | None, size: int) -> tuple[int, int]:
    """Return first byte and length of what a part copies; all of the source if it does not say.

    Raises InvalidArgument for another form than `bytes=FIRST-LAST`, InvalidRange for bytes outside of it.
    """
    if text is None:
        return 0, size
    found = _RANGE.fullmatch(text)
    if not found or not (found["first"] and found["last"]) or int(found["last"]) < int(found["first"]):
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            f"the zero-based offsets of the first and last bytes to copy; found {text[:100]!r}."
        )
    first, last = int(found["first"]), int(found["last"])
    if last >= size:
        raise _not_satisfiable(size)
    return first, last - first + 1


def _not_satisfiable(size: int) -> ServiceError:
    return ServiceError(
        "InvalidRange",
        f"The requested range is not satisfiable: the object has {size} bytes",
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        headers={"Content-Range": f"bytes */{size}"},
    )
