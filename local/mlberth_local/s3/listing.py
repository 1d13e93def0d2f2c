"""Listings of a bucket's objects and uploads, in pages, with folders of keys as common prefixes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, walk
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.conditions import check_owner
from mlberth_local.s3.errors import invalid_argument
from mlberth_local.s3.parts import START

LARGEST_PAGE = 1000


@dataclass
class _Page:
    contents: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    """The key or common prefix that ends the page."""
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.contents) + len(self.prefixes)


def list_objects(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List objects after a marker."""
    marker = request.get("Marker") or ""
    page = _page(platform, request, marker)
    answer = {
        **_common(request, page),
        "Marker": _name(request, marker),
        "Contents": _contents(request, page, owner=True),
    }
    if page.truncated and request.get("Delimiter"):
        answer["NextMarker"] = _name(request, page.last)
    return answer


def list_objects_v2(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List objects after a continuation token, or after a key."""
    token = request.get("ContinuationToken")
    after = _key_of(token) if token is not None else request.get("StartAfter") or ""
    page = _page(platform, request, after)
    answer = {
        **_common(request, page),
        "KeyCount": len(page),
        "Contents": _contents(request, page, owner=bool(request.get("FetchOwner"))),
        "ContinuationToken": token,
    }
    if request.get("StartAfter"):
        answer["StartAfter"] = _name(request, request["StartAfter"])
    if page.truncated:
        answer["NextContinuationToken"] = base64.urlsafe_b64encode(walk.encoded(page.last)).decode()
    return answer


def _key_of(token: str) -> str:
    try:
        key = base64.b64decode(token, altchars="-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, ValueError):
        key = ""  # which is not in a token of ours
    if not key:
        raise invalid_argument("The continuation token provided is incorrect")
    return key


def _page(platform: Platform, request: Mapping[str, Any], after: str) -> _Page:
    check_owner(platform, request)
    most = page_size(request, "MaxKeys")
    page = _Page()
    for one in _entries(platform, request, after):
        if len(page) == most:
            page.truncated = bool(most)
            break
        if isinstance(one, str):
            page.prefixes.append(one)
            page.last = one
        else:
            page.contents.append(one)
            page.last = one.key
    return page


def page_size(request: Mapping[str, Any], name: str) -> int:
    """Return how many may be in a page. Raises InvalidArgument."""
    found = request.get(name)
    if found is not None and not 0 <= found < 1 << 31:
        shown = name[:1].lower() + name[1:]
        raise invalid_argument(f"Argument {shown} must be an integer between 0 and 2147483647")
    return LARGEST_PAGE if found is None else min(found, LARGEST_PAGE)


def _entries(platform: Platform, request: Mapping[str, Any], after: str) -> Iterator[StoredObject | str]:
    """Yield objects and common prefixes in order."""
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    bucket = request["Bucket"]
    for key, path in walk.groups(platform.buckets, bucket, prefix, after, delimiter):
        if path is None:
            yield key
            continue
        try:
            yield buckets.stored(platform.buckets, bucket, key, path, path.stat())
        except OSError:  # removed in the meantime
            continue


def _common(request: Mapping[str, Any], page: _Page) -> dict[str, Any]:
    return {
        "IsTruncated": page.truncated,
        "Name": request["Bucket"],
        "Prefix": _name(request, request.get("Prefix") or ""),
        "Delimiter": _name(request, request["Delimiter"]) if request.get("Delimiter") else None,
        "MaxKeys": page_size(request, "MaxKeys"),
        "CommonPrefixes": [{"Prefix": _name(request, one)} for one in page.prefixes],
        "EncodingType": request.get("EncodingType"),
    }


def _name(request: Mapping[str, Any], key: str) -> str:
    """Return a key as the request wants it: percent-encoded, as XML cannot have every character."""
    return quote(key, safe="/", errors="surrogatepass") if request.get("EncodingType") == "url" else key


def _contents(request: Mapping[str, Any], page: _Page, *, owner: bool) -> list[dict[str, Any]]:
    return [
        {
            "Key": _name(request, one.key),
            "LastModified": one.modified,
            "ETag": one.quoted_etag,
            "Size": one.size,
            "StorageClass": one.record.headers.get("StorageClass", "STANDARD"),
            **({"Owner": {"ID": "mlberth", "DisplayName": "mlberth"}} if owner else {}),
        }
        for one in page.contents
    ]


def list_multipart_uploads(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the uploads to a bucket that are not complete."""
    check_owner(platform, request)
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    most = page_size(request, "MaxUploads")
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    uploads: list[dict[str, Any]] = []
    prefixes: list[str] = []
    last, truncated = ("", ""), False
    for one in _uploads_after(platform, request, key_marker, id_marker):
        head, found, _ = one["Key"][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        group = prefix + head + delimiter if found else None
        if group is not None and group in (key_marker, *prefixes[-1:]):
            continue
        if len(uploads) + len(prefixes) == most:
            truncated = most > 0
            break
        if group is not None:
            prefixes.append(group)
            last = (group, "")
        else:
            uploads.append({**one, "Key": _name(request, one["Key"])})
            last = (one["Key"], one["UploadId"])
    answer = {
        "Bucket": request["Bucket"],
        "Prefix": _name(request, prefix),
        "Delimiter": _name(request, delimiter) if delimiter else None,
        "EncodingType": request.get("EncodingType"),
        "KeyMarker": _name(request, key_marker),
        "UploadIdMarker": id_marker,
        "IsTruncated": truncated,
        "MaxUploads": most,
        "Uploads": uploads,
        "CommonPrefixes": [{"Prefix": _name(request, one)} for one in prefixes],
    }
    if truncated:
        answer |= {"NextKeyMarker": _name(request, last[0]), "NextUploadIdMarker": last[1]}
    return answer


def _uploads_after(
    platform: Platform, request: Mapping[str, Any], key: str, upload: str
) -> Iterator[dict[str, Any]]:
    """Yield the uploads with the prefix of a request that come after those of a key, or after one of them."""
    found = []
    for path in (platform.buckets / buckets.UPLOADS).glob(f"*/{START}"):
        try:
            start = json.loads(path.read_bytes())
        except OSError:  # completed or aborted in the meantime
            continue
        if start["Bucket"] == request["Bucket"] and start["Key"].startswith(request.get("Prefix") or ""):
            found.append({"Key": start["Key"], "UploadId": path.parent.name, "Initiated": start["Initiated"]})
    found.sort(key=lambda one: (walk.encoded(one["Key"]), one["Initiated"], one["UploadId"]))
    passed = not upload
    for one in found:
        if walk.encoded(one["Key"]) > walk.encoded(key) or (one["Key"] == key and upload and passed):
            yield one
        passed = passed or one["UploadId"] == upload
