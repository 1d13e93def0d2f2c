"""The one way from a request's body to an answer's: decode, predict, encode."""

from __future__ import annotations

from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_serve import variables
from mlberth_serve.codecs import CODECS, READERS, first_names
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.context import Context
from mlberth_serve.errors import (
    BadRequestError,
    HandlerError,
    NotAcceptableError,
    RequestError,
    UnsupportedTypeError,
)
from mlberth_serve.handler import Handler
from mlberth_serve.media_types import CSV, JSON, MediaType, concrete, negotiate

_TEXT_TYPES = frozenset({CSV, JSON})
"""What `input_fn` and `transform_fn` get as str; every other body is bytes (sagemaker-inference-toolkit)."""


class Transformer:
    """One loaded model and its handler, ready for requests."""

    def __init__(self, handler: Handler, default_accept: str) -> None:
        self._handler = handler
        self._own_output = bool(handler.output_fn or handler.transform_fn)
        self._own_input = bool(handler.input_fn or handler.transform_fn)
        if default_accept not in CODECS and not self._own_output:
            name = variables.DEFAULT_ACCEPT.name
            raise ContractError(
                Fault(name, repr(default_accept), f"one of {first_names(CODECS)}, or an output_fn")
            )
        self._offered = tuple(dict.fromkeys((default_accept, *CODECS)))

    def choose_accept(self, header: str | None) -> str:
        """Return the media type of the answer; raises NotAcceptableError before anything is predicted.

        A handler that writes answers itself can write any type that the header names.
        """
        if self._own_output:
            return negotiate(header, (self._offered[0], *concrete(header), *self._offered[1:]))
        return negotiate(header, self._offered)

    def transform(self, body: bytes, media_type: MediaType, context: Context) -> tuple[bytes, str]:
        """Return the answer's body and media type.

        Raises RequestError: what the handler raised of that kind, or HandlerError from anything else.
        """
        if not body:
            raise BadRequestError("The body is empty.")
        if not self._own_input and media_type.name not in READERS:
            raise UnsupportedTypeError(f"Content-Type is none of {first_names(READERS)}.")
        handler, accept = self._handler, context.accept
        function = "transform_fn"
        data: Any
        try:
            if handler.transform_fn:
                data = _payload(body, media_type)
                result = handler.transform_fn(handler.model, data, media_type.name, accept, context)
                return _finish(result, accept)
            function = "input_fn"
            envelope = ""
            if handler.input_fn:
                data = handler.input_fn(_payload(body, media_type), media_type.name, context)
            else:
                data, envelope = READERS[media_type.name].decode(body, media_type)
            function = "predict_fn"
            assert handler.predict_fn is not None
            prediction = handler.predict_fn(data, handler.model, context)
            function = "output_fn"
            if handler.output_fn:
                return _finish(handler.output_fn(prediction, accept, context), accept)
            if envelope and accept == JSON:
                prediction = {envelope: prediction}
            return CODECS[accept].encode(prediction), accept
        except RequestError:
            raise
        except Exception as error:
            raise HandlerError(function) from error


def _payload(body: bytes, media_type: MediaType) -> str | bytes:
    return decode_text(body, media_type) if media_type.name in _TEXT_TYPES else body


def _finish(result: Any, accept: str) -> tuple[bytes, str]:
    """Return what a handler's output is on the wire.

    `(body, content_type)` names its own type. Bytes and text are the body; arrays, lists, maps and
    numbers are written by the codec of the type. None is a forgotten `return`, and refused.
    """
    content_type = accept
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
        result, content_type = result
        _check_content_type(content_type)
    if isinstance(result, str):
        return result.encode(), content_type
    if isinstance(result, bytes | bytearray | memoryview):
        return bytes(result), content_type
    if result is None:
        raise TypeError("returned None; expected bytes, str, (body, content_type), or an array or list")
    codec = CODECS.get(content_type)
    if not codec:
        raise NotAcceptableError(f"The handler's answer cannot be written as {content_type}.")
    return codec.encode(result), content_type


def _check_content_type(content_type: str) -> None:
    # It becomes a header: a line end in it would let the body's author write headers.
    if not (content_type.isascii() and content_type.isprintable() and "/" in content_type):
        raise ValueError(f"returned {content_type!r} as content type")
