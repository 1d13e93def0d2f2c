"""Operations on single objects."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlberth_local.bodies import FileBody, ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, checksums
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.conditions import check_owner, check_read, check_version, check_write, read_range
from mlberth_local.s3.errors import invalid_argument
from mlberth_local.s3.names import check_key
from mlberth_local.s3.records import DEFAULT_TYPE, Record
from mlberth_local.s3.tagging import tags_of

KEPT_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
    "WebsiteRedirectLocation",
)
"""Parameters of a write that its answers and later reads repeat."""
_LARGEST_METADATA = 2048
"""Names and values together, in bytes."""
_ANSWERED = ("ServerSideEncryption", "SSEKMSKeyId")


def put_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a body as an object."""
    check_owner(platform, request)
    check_key(request["Key"])
    body: ReceivedBody = request["Body"]
    record = Record(
        request["Key"],
        body.md5,
        kept_headers(request),
        metadata_of(request),
        dict(body.checksums),
        tags_of(request.get("Tagging")),
    )
    with buckets.lock():
        check_write(request, buckets.find_or_none(platform.buckets, request["Bucket"], request["Key"]))
        found = buckets.put(platform.buckets, request["Bucket"], body.place.path, record)
    return {"ETag": found.quoted_etag, **checksums.members(record.checksums), **encryption(record)}


def kept_headers(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of a write that stay with the object."""
    kept = {name: request[name] for name in KEPT_HEADERS if request.get(name) is not None}
    # How the body came is no fact of the object.
    encodings = [
        one for one in kept.get("ContentEncoding", "").split(",") if one.strip() not in {"", "aws-chunked"}
    ]
    return {**kept, "ContentEncoding": ",".join(encodings)} if encodings else _without_encoding(kept)


def _without_encoding(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name != "ContentEncoding"}


def encryption(record: Record) -> dict[str, str]:
    """Return the members of an answer to a write that repeat its encryption."""
    return {name: record.headers[name] for name in _ANSWERED if name in record.headers}


def metadata_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a write. Raises MetadataTooLarge."""
    metadata: dict[str, str] = request.get("Metadata") or {}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > _LARGEST_METADATA:
        text = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceError("MetadataTooLarge", text)
    return metadata


def head_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Describe an object."""
    found, part = _read(platform, request)
    first, size = part or (0, found.size)
    return _description(request, found, first, size, partial=part is not None)


def get_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return an object, or a range of it."""
    found, part = _read(platform, request)
    first, size = part or (0, found.size)
    answer = _description(request, found, first, size, partial=part is not None)
    return {**answer, "Body": FileBody(found.path, first, size)}


def _read(platform: Platform, request: Mapping[str, Any]) -> tuple[StoredObject, tuple[int, int] | None]:
    check_owner(platform, request)
    found = buckets.find(platform.buckets, request["Bucket"], request["Key"])
    check_version(request.get("VersionId"))
    check_read(request, found)
    if request.get("PartNumber") not in {None, 1}:
        raise invalid_argument("PartNumber: objects are one file here; expected 1.")
    return found, read_range(request.get("Range"), found.size)


def _description(
    request: Mapping[str, Any], found: StoredObject, first: int, size: int, *, partial: bool
) -> dict[str, Any]:
    record = found.record
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": found.modified,
        "ContentLength": size,
        "ETag": found.quoted_etag,
        "ContentType": DEFAULT_TYPE,
        **record.headers,
        "Metadata": record.metadata,
    }
    if record.tags:
        answer["TagCount"] = len(record.tags)
    if request.get("ChecksumMode") == "ENABLED" and not partial:
        answer |= checksums.members(record.checksums)
    for name in (
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "Expires",
    ):
        if request.get(f"Response{name}") is not None:
            answer[name] = request[f"Response{name}"]
    if partial:
        answer["ContentRange"] = f"bytes {first}-{first + size - 1}/{found.size}"
        answer["__status__"] = HTTPStatus.PARTIAL_CONTENT
    return answer


def delete_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove an object; one that is not there is no error."""
    check_owner(platform, request)
    _delete(platform, request["Bucket"], request["Key"], request.get("VersionId"), request.get("IfMatch"))
    return {}


def _delete(platform: Platform, bucket: str, key: str, version: str | None, etag: str | None) -> None:
    """Remove an object, if it is of a version and has an ETag; None for either asks for nothing."""
    check_version(version)
    with buckets.lock():
        found = buckets.find_or_none(platform.buckets, bucket, key)
        check_write({"Key": key, "IfMatch": etag}, found)
        buckets.delete(platform.buckets, bucket, key)


def delete_objects(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove up to 1000 objects, each on its own conditions."""
    check_owner(platform, request)
    wanted = (request.get("Delete") or {}).get("Objects") or []
    if not 1 <= len(wanted) <= 1000:
        raise ServiceError("MalformedXML", f"Found {len(wanted)} objects to delete; expected 1 to 1000.")
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    deleted, errors = [], []
    for one in wanted:
        name = {part: one[part] for part in ("Key", "VersionId") if one.get(part) is not None}
        try:
            _delete(platform, request["Bucket"], one["Key"], one.get("VersionId"), one.get("ETag"))
            deleted.append(name)
        except ServiceError as error:
            errors.append({**name, "Code": error.code, "Message": error.message})
        except OSError as error:
            errors.append({**name, "Code": "InternalError", "Message": str(error.strerror)})
    return {"Deleted": [] if request["Delete"].get("Quiet") else deleted, "Errors": errors}


def upload_file(platform: Platform) -> Path:
    """Return a new path for what is still coming in, on the buckets' file system."""
    folder = platform.buckets / buckets.UPLOADS
    folder.mkdir(parents=True, exist_ok=True)
    return folder / uuid4().hex
