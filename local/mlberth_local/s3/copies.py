"""Copies of objects within the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mlberth_local.files import write_ranges
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.conditions import check_owner, check_read, check_version, check_write
from mlberth_local.s3.errors import invalid_argument, invalid_request
from mlberth_local.s3.names import check_key
from mlberth_local.s3.objects import encryption, kept_headers, metadata_of, upload_file
from mlberth_local.s3.records import Record
from mlberth_local.s3.tagging import tags_of

_NOT_COPIED = ("ServerSideEncryption", "SSEKMSKeyId", "StorageClass", "WebsiteRedirectLocation")
"""Headers that a copy has of its own request alone."""


def copy_object(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make an object of another one, with its headers or new ones."""
    check_owner(platform, request)
    check_key(request["Key"])
    source = copy_source(platform, request)
    bucket, key = request["Bucket"], request["Key"]
    replace = request.get("MetadataDirective") == "REPLACE"
    new_tags = request.get("TaggingDirective") == "REPLACE"
    own = {name: request[name] for name in _NOT_COPIED if request.get(name) is not None}
    if _source_name(request) == (bucket, key) and not (replace or new_tags or own):
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes."
        )
    buckets.bucket_folder(platform.buckets, bucket)
    copied = {name: value for name, value in source.record.headers.items() if name not in _NOT_COPIED}
    record = Record(
        key,
        source.record.etag,
        kept_headers(request) if replace else {**copied, **own},
        metadata_of(request) if replace else source.record.metadata,
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
        **encryption(record),
    }


def copy_source(platform: Platform, request: Mapping[str, Any]) -> StoredObject:
    """Return the object that a copy is made of, if it fulfils the conditions."""
    _, has_version, version = str(request["CopySource"]).partition("?versionId=")
    source = buckets.find(platform.buckets, *_source_name(request))
    check_version(unquote(version) if has_version else None)
    check_read(request, source, "CopySource")
    return source


def _source_name(request: Mapping[str, Any]) -> tuple[str, str]:
    text = unquote(str(request["CopySource"]).partition("?versionId=")[0]).removeprefix("/")
    bucket, slash, key = text.partition("/")
    if not slash or not key:
        raise invalid_argument(
            f"Copy Source must mention the source bucket and key: sourcebucket/sourcekey, not {text}"
        )
    return bucket, key
