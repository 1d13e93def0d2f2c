"""Presigned addresses of S3: the headers that a client could not set itself are in their query."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_plus

from mlberth_local.api.routing import credential_scope
from mlberth_local.http_request import HttpRequest

_SIGNATURE = frozenset(
    [
        *("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"),
        *("x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"),
    ]
)
_OF_VERSION_2 = ("content-type", "content-md5")
"""What botocore moves to the query beside `x-amz-…`, where the signature is of the second version."""


def with_headers(request: HttpRequest) -> HttpRequest:
    """Return a request with those parameters of a presigned address as headers that S3 takes as such.

    A header that the client sends counts more. Other requests are returned as they are.
    """
    from multidict import CIMultiDict  # aiohttp's own

    query = request.query
    version_2 = "Signature" in query and "AWSAccessKeyId" in query
    if not version_2 and not ("X-Amz-Signature" in query and credential_scope(request) == "s3"):
        return request
    headers, kept = CIMultiDict(request.headers), []
    for pair in filter(None, request.raw_query.split("&")):
        name, _, value = pair.partition("=")
        low = unquote_plus(name).lower()
        if (low.startswith("x-amz-") and low not in _SIGNATURE) or (version_2 and low in _OF_VERSION_2):
            headers.setdefault(low, unquote_plus(value))
        else:
            kept.append(pair)
    return replace(request, headers=headers, raw_query="&".join(kept))
