"""Operations on single objects."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from mlberth_local.bodies import FileBody, ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.files import write_ranges
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, checksums
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.conditions import check_owner, check_read, check_write, read_range
from mlberth_local.s3.errors import invalid_argument, invalid_request
from mlberth_local.s3.names import check_key
from mlberth_local.s3.records import DEFAULT_TYPE, Record

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
        request.get("Metadata") or {},
        dict(body.checksums),
        tags_of(request.get("Tagging")),
    )
    with buckets.lock():
        check_write(request, buckets.find_or_none(platform.buckets, request["Bucket"], request["Key"]))
        found = buckets.put(platform.buckets, request["Bucket"], body.place.path, record)
    return {"ETag": found.quoted_etag, **checksums.members(record.checksums), **_encryption(record)}


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


def _encryption(record: Record) -> dict[str, str]:
    return {name: record.headers[name] for name in _ANSWERED if name in record.headers}


def tags_of(text: str | None) -> dict[str, str]:
    """Return the tags in a header `a=1&b=2`."""
    return dict(parse_qsl(text or "", keep_blank_values=True))


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
    if request.get("VersionId") not in {None, "null"}:
        raise ServiceError("NoSuchVersion", "The specified version does not exist.", HTTPStatus.NOT_FOUND)
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
    with buckets.lock():
        if request.get("IfMatch"):
            check_write(request, buckets.find_or_none(platform.buckets, request["Bucket"], request["Key"]))
        buckets.delete(platform.buckets, request["Bucket"], request["Key"])
    return {}


def delete_objects(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove up to 1000 objects."""
    check_owner(platform, request)
    wanted = (request.get("Delete") or {}).get("Objects") or []
    if not 1 <= len(wanted) <= 1000:
        raise ServiceError("MalformedXML", f"Found {len(wanted)} objects to delete; expected 1 to 1000.")
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    deleted, errors = [], []
    for one in wanted:
        try:
            buckets.delete(platform.buckets, request["Bucket"], one["Key"])
            deleted.append({"Key": one["Key"]})
        except OSError as error:
            errors.append({"Key": one["Key"], "Code": "InternalError", "Message": str(error.strerror)})
    return {"Deleted": [] if request["Delete"].get("Quiet") else deleted, "Errors": errors}


def copy_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make an object of another one, with its headers or new ones."""
    check_owner(platform, request)
    check_key(request["Key"])
    source = copy_source(platform, request)
    bucket, key = request["Bucket"], request["Key"]
    replace = request.get("MetadataDirective") == "REPLACE"
    new_tags = request.get("TaggingDirective") == "REPLACE"
    if source.path == platform.buckets / bucket / key and not (replace or new_tags or kept_headers(request)):
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes."
        )
    buckets.bucket_folder(platform.buckets, bucket)
    record = Record(
        key,
        source.record.etag,
        kept_headers(request) if replace else {**source.record.headers, **_kept_encryption(request)},
        (request.get("Metadata") or {}) if replace else source.record.metadata,
        source.record.checksums,
        tags_of(request.get("Tagging")) if new_tags else source.record.tags,
        source.record.parts,
    )
    temporary = upload_file(platform)
    try:
        write_ranges(temporary, [(source.path, 0, source.size)])
        with buckets.lock():
            check_write(request, buckets.find_or_none(platform.buckets, bucket, key))
            found = buckets.put(platform.buckets, bucket, temporary, record)
    finally:
        temporary.unlink(missing_ok=True)
    return {
        "CopyObjectResult": {"ETag": found.quoted_etag, "LastModified": found.modified},
        **_encryption(record),
    }


def _kept_encryption(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: request[name] for name in (*_ANSWERED, "StorageClass") if request.get(name) is not None}


def copy_source(platform: Platform, request: Mapping[str, Any]) -> StoredObject:
    """Return the object that a copy is made of, if it fulfils the conditions."""
    text = unquote(str(request["CopySource"]).partition("?versionId=")[0]).removeprefix("/")
    bucket, slash, key = text.partition("/")
    if not slash or not key:
        raise invalid_argument(
            f"Copy Source must mention the source bucket and key: sourcebucket/sourcekey, not {text}"
        )
    source = buckets.find(platform.buckets, bucket, key)
    check_read(request, source, "CopySource")
    return source


def upload_file(platform: Platform) -> Path:
    """Return a new path for what is still coming in, on the buckets' file system."""
    folder = platform.buckets / buckets.UPLOADS
    folder.mkdir(parents=True, exist_ok=True)
    return folder / uuid4().hex
