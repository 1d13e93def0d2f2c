"""Listings of a bucket's objects, in pages, with folders of keys as common prefixes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, walk
from mlberth_local.s3.buckets import StoredObject
from mlberth_local.s3.conditions import check_owner
from mlberth_local.s3.errors import invalid_argument

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
        return base64.b64decode(token, altchars="-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("The continuation token provided is incorrect") from error


def _page(platform: Platform, request: Mapping[str, Any], after: str) -> _Page:
    check_owner(platform, request)
    most = LARGEST_PAGE if request.get("MaxKeys") is None else int(request["MaxKeys"])
    if most < 0:
        raise invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647")
    page = _Page()
    for one in _entries(platform, request, after):
        if len(page) == min(most, LARGEST_PAGE):
            page.truncated = bool(most)
            break
        if isinstance(one, str):
            page.prefixes.append(one)
            page.last = one
        else:
            page.contents.append(one)
            page.last = one.key
    return page


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
        "MaxKeys": LARGEST_PAGE if request.get("MaxKeys") is None else int(request["MaxKeys"]),
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
