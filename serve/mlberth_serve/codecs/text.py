"""The text of a body."""

from __future__ import annotations

from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_BOM = b"\xef\xbb\xbf"


def decode_text(body: bytes, media_type: MediaType) -> str:
    """Return a body as text in its charset, without a UTF-8 byte order mark."""
    charset = media_type.codec
    if charset == "utf-8" and body.startswith(_BOM):
        body = body[len(_BOM) :]
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise BadRequestError(f"Byte {error.start} of the body is not {charset}.") from None
