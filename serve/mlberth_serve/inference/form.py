"""The fields of a form, `multipart/form-data` or `application/x-www-form-urlencoded`, and of a query."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

from mlberth_serve.errors import BadRequestError

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
FORMS = frozenset({MULTIPART, URLENCODED})
_MAX_FIELDS = 1000


class Field(NamedTuple):
    """One field of a form."""

    name: str
    value: bytes
    content_type: str = ""
    """Of a part that gives one."""


def read_form(body: bytes, content_type: str) -> list[Field]:
    """Return the fields of a form in their order; raises BadRequestError."""
    if content_type.partition(";")[0].strip().lower() == URLENCODED:
        return read_query(body)
    from werkzeug.exceptions import HTTPException
    from werkzeug.http import parse_options_header
    from werkzeug.sansio import multipart

    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise BadRequestError(f"Content-Type is {MULTIPART} and gives no boundary.")
    decoder = multipart.MultipartDecoder(boundary.encode("latin-1"), max_parts=_MAX_FIELDS)
    fields: list[Field] = []
    pieces: list[bytes] = []
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), multipart.Epilogue):
            if isinstance(event, multipart.NeedData):
                raise BadRequestError(f"The {MULTIPART} body ends within a part.")
            if isinstance(event, multipart.Field | multipart.File):
                fields.append(Field(event.name, b"", event.headers.get("content-type", "")))
            elif isinstance(event, multipart.Data):
                pieces.append(event.data)
                if not event.more_data:
                    fields[-1] = fields[-1]._replace(value=b"".join(pieces))
                    pieces = []
    except (ValueError, HTTPException):
        raise BadRequestError(f"The body is not {MULTIPART} of at most {_MAX_FIELDS} parts.") from None
    return fields


def read_query(query: bytes) -> list[Field]:
    """Return the fields of a query string, or of a body in its form; raises BadRequestError."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequestError(f"The form has more than {_MAX_FIELDS} fields.") from None
    return [Field(name.decode(errors="replace"), value) for name, value in pairs]
