"""Compressed requests, as botocore sends large ones of some services."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from http import HTTPStatus

from mlberth_local.errors import ServiceError

LARGEST_REQUEST = 32 * 1024 * 1024
"""In bytes, also decompressed; only objects may be larger, and they go to a file."""


def content_of(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return what a body says, without the encoding gzip that it came in.

    Raises `ServiceError` for one that is not gzip, or too large.
    """
    if headers.get("Content-Encoding", "").strip().lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, LARGEST_REQUEST)
    except zlib.error as error:
        raise _no_gzip() from error
    if unpacker.unconsumed_tail:
        raise too_large()
    if not unpacker.eof:
        raise _no_gzip()
    return content


def _no_gzip() -> ServiceError:
    return ServiceError("SerializationException", "The body is not gzip, as Content-Encoding says.")


def too_large() -> ServiceError:
    """Return the error for a request that does not fit in memory."""
    text = f"The request is larger than {LARGEST_REQUEST} bytes."
    return ServiceError("RequestEntityTooLargeException", text, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
