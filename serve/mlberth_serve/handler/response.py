"""The return values of `output_fn` and `transform_fn`, and their form on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlberth_serve.codecs import CODECS
from mlberth_serve.codecs.base import encode_text
from mlberth_serve.errors import NotAcceptableError
from mlberth_serve.handler.context import Context, check_content_type
from mlberth_serve.handler.response_headers import is_reserved
from mlberth_serve.handler.stream_items import Items, is_stream


@dataclass(frozen=True)
class Response:
    """An answer that says its own status and headers, for a handler to return."""

    body: Any = b""
    """Bytes, text, what the codec of the content type can write, or an iterator: then it is streamed."""
    status: int = 200
    content_type: str = ""
    """"" for the media type that was chosen for the answer."""
    headers: Mapping[str, Any] | Iterable[tuple[str, str]] = field(default_factory=dict)
    """By name, or pairs of names and values: a name that stands there several times is sent so."""


def to_body(result: Any, context: Context) -> tuple[bytes | Items, str]:
    """Return body and media type of a handler's output; its status and headers go to the context.

    `(body, content_type)` names its own type, and a Response, ours or a web framework's, its status
    and headers too. Bytes and text are the body; arrays, lists, maps and numbers are written by the
    codec of the type, and an iterator is returned as it is. Raises TypeError or ValueError for what cannot
    be sent.
    """
    content_type = context.response_content_type or context.accept
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        if result[1] != content_type:  # most return the one that they were given
            content_type = check_content_type(result[1])
        result = result[0]
    response = result if isinstance(result, Response) else _from_web(result)
    if response:
        context.set_response_status(response.status)
        context.add_response_headers(response.headers)
        result = response.body
        content_type = check_content_type(response.content_type or content_type)
    return _to_bytes(result, content_type), content_type


def _from_web(result: Any) -> Response | None:
    """Return what has the shape of a Flask or Starlette response as ours, None for everything else."""
    if not (hasattr(result, "status_code") and hasattr(result, "headers")):
        return None
    if getattr(result, "is_streamed", False):  # Flask's
        body = result.iter_encoded()
    elif hasattr(result, "body_iterator"):  # Starlette's
        body = aiter(result.body_iterator)
    else:
        body = result.get_data() if hasattr(result, "get_data") else result.body
    headers = list(result.headers.items())
    types = [value for name, value in headers if name.lower() == "content-type"]
    own = [(name, value) for name, value in headers if not is_reserved(name)]
    return Response(body, result.status_code, types[0] if types else "", own)


def _to_bytes(result: Any, content_type: str) -> bytes | Items:
    if isinstance(result, str):
        return _encode_text(result, content_type)
    if isinstance(result, bytes | bytearray | memoryview):
        return bytes(result)
    if result is None:
        raise TypeError(
            "returned None; expected bytes, str, (body, content_type), a Response, an array or a list"
        )
    if is_stream(result):
        return result
    codec = CODECS.get(content_type) or CODECS.get(content_type.partition(";")[0].strip().lower())
    if not codec:
        raise NotAcceptableError(f"The handler's answer cannot be written as {content_type}.")
    return codec.encode(result)


def _encode_text(text: str, content_type: str) -> bytes:
    """Return text in UTF-8, whatever it holds: JSON has an escape for half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace") if "json" in content_type else encode_text(text)
