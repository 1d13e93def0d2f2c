"""A body's Content-Encoding: gzip, undone before anything reads the body.

Source: RFC 9110 section 8.4. Answers are compressed by nginx, outside the workers.
"""

from __future__ import annotations

import zlib

from mlberth_serve.errors import BadRequestError, PayloadTooLargeError, UnsupportedTypeError

_GZIP = {"gzip", "x-gzip"}
_GZIP_FORMAT = 31
_CHUNK = 64 * 1024
MAX_MEMBERS = 1024
"""How many gzip files one after the other a body may be; tiny ones cost far more than their bytes."""


def decode_content(body: bytes | memoryview, header: str, limit: int | None) -> bytes | memoryview:
    """Undo a Content-Encoding; `limit` is in bytes of the result, None for no limit.

    Raises UnsupportedTypeError for any coding but gzip, BadRequestError for bytes that are not gzip,
    PayloadTooLargeError as soon as the limit is passed.
    """
    codings = [name.strip().lower() for name in header.split(",")]
    codings = [name for name in codings if name not in {"", "identity"}]
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in _GZIP:
        raise UnsupportedTypeError("Content-Encoding is neither gzip nor identity.")
    return _gunzip(body, limit)


def _gunzip(body: bytes | memoryview, limit: int | None) -> bytes:
    parts = []
    position = size = members = 0
    inflater = None
    while position < len(body):
        inflater = inflater or zlib.decompressobj(_GZIP_FORMAT)
        chunk = body[position : position + _CHUNK]
        try:
            part = inflater.decompress(chunk, 0 if limit is None else limit - size + 1)
        except zlib.error:
            raise BadRequestError("The body is not gzip, as Content-Encoding says.") from None
        parts.append(part)
        size += len(part)
        if limit is not None and size > limit:
            raise PayloadTooLargeError(limit)
        position += len(chunk) - len(inflater.unused_data)
        if inflater.eof:
            inflater = None
            members += 1
            if members == MAX_MEMBERS and position < len(body):
                raise BadRequestError(f"The body is more than {MAX_MEMBERS} gzip files.")
    if inflater:
        raise BadRequestError("The gzip body breaks off.")
    return b"".join(parts)
