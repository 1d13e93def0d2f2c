"""The body of a request, read from WSGI and never beyond the limit."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

from gunicorn.http.errors import ParseException

from mlberth_serve.app.content_encoding import decode_content
from mlberth_serve.errors import BadRequestError, PayloadTooLargeError

ENVIRON_BODY = "mlberth.body"
"""Where the WSGI environment has a whole body that the worker has read already, in place of `wsgi.input`."""


def read_body(environ: Mapping[str, Any], limit: int | None) -> bytes | memoryview:
    """Return the whole body, decompressed; `limit` is in bytes, None for no limit.

    A Content-Length over the limit is refused before anything is read, a chunked or compressed body
    as soon as it is over. Raises PayloadTooLargeError, UnsupportedTypeError for a Content-Encoding
    that is not known, or BadRequestError when the body breaks off.
    """
    body = environ.get(ENVIRON_BODY)
    if body is None:
        body = _read(environ, limit)
    elif limit is not None and len(body) > limit:
        raise PayloadTooLargeError(limit)
    coding = environ.get("HTTP_CONTENT_ENCODING")
    return decode_content(body, coding, limit) if coding else body


def hold_to_limit(environ: dict[str, Any], limit: int | None) -> None:
    """Refuse a body over the limit, as nginx does, for an application that reads it itself.

    A chunked body is read here. Raises PayloadTooLargeError, or BadRequestError when it breaks off.
    """
    if limit is None:
        return
    length = environ.get("CONTENT_LENGTH")
    if length:
        if _to_size(length, limit) > limit:
            raise PayloadTooLargeError(limit)
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        body = _read(environ, limit)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        del environ["HTTP_TRANSFER_ENCODING"]


def _read(environ: Mapping[str, Any], limit: int | None) -> bytes | memoryview:
    length = environ.get("CONTENT_LENGTH")
    try:
        if length:
            return _read_exactly(environ, _to_size(length, limit), limit)
        # Without a length there is a body only if the server marks its end (chunked).
        if environ.get("wsgi.input_terminated"):
            return _read_to_end(environ, limit)
    except (OSError, ParseException):  # a connection that closes, or a chunk that cannot be read
        raise BadRequestError("The body could not be read to its end.") from None
    return b""


def _to_size(length: str, limit: int | None) -> int:
    if not (length.isascii() and length.isdigit()):
        raise BadRequestError("Content-Length is not a whole number.")
    try:
        return int(length)
    except ValueError:  # more digits than Python reads
        raise PayloadTooLargeError(limit or sys.maxsize) from None


def _read_exactly(environ: Mapping[str, Any], size: int, limit: int | None) -> bytes | memoryview:
    if limit is not None and size > limit:
        raise PayloadTooLargeError(limit)
    body: bytes | memoryview = environ["wsgi.input"].read(size)
    if len(body) != size:
        raise BadRequestError(f"The body has {len(body)} bytes; Content-Length says {size}.")
    return body


def _read_to_end(environ: Mapping[str, Any], limit: int | None) -> bytes:
    body: bytes = environ["wsgi.input"].read() if limit is None else environ["wsgi.input"].read(limit + 1)
    if limit is not None and len(body) > limit:
        raise PayloadTooLargeError(limit)
    return body
