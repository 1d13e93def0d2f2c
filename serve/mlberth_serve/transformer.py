"""The one way from a request's body to an answer's: decode, predict, encode."""

from __future__ import annotations

from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_serve import frameworks, variables
from mlberth_serve.codecs import CODECS, READERS, first_names
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.context import Context
from mlberth_serve.errors import (
    BadRequestError,
    RequestError,
    UnsupportedTypeError,
)
from mlberth_serve.handler import Handler
from mlberth_serve.handler_fault import explain
from mlberth_serve.media_types import CSV, JSON, MediaType, concrete, negotiate
from mlberth_serve.metrics import DECODE, ENCODE, PREDICT
from mlberth_serve.output import finish, refuse_iterators

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

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""
        return ("*/*",) if self._own_input else tuple(READERS)

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""
        return (*self._offered, "*/*") if self._own_output else self._offered

    def place(self, device: str) -> None:
        """Move the model to a worker's device, "cpu" or "cuda:N": for the worker alone, after the fork."""
        if self._handler.may_be_placed:
            frameworks.place(self._handler.model, device)

    def choose_accept(self, header: str | None) -> str:
        """Return the media type of the answer; raises RequestError before anything is predicted.

        A handler that writes answers itself can write any type that the header names.
        """
        if self._own_output:
            return negotiate(header, (self._offered[0], *concrete(header), *self._offered[1:]))
        return negotiate(header, self._offered)

    def transform(self, body: bytes, media_type: MediaType, context: Context) -> tuple[bytes, str]:
        """Return the answer's body and media type.

        Raises RequestError: what the handler raised of that kind, or what `handler_fault` makes of
        anything else, with the cause.
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
                context.finish_step(PREDICT)
                return finish(result, context)
            function = "input_fn"
            envelope = ""
            if handler.input_fn:
                data = handler.input_fn(_payload(body, media_type), media_type.name, context)
            else:
                data, envelope = READERS[media_type.name].decode(body, media_type)
            context.finish_step(DECODE)
            function = "predict_fn"
            assert handler.predict_fn is not None
            prediction = handler.predict_fn(data, handler.model, context)
            context.finish_step(PREDICT)
            if handler.output_fn:
                function = "output_fn"
                answer = finish(handler.output_fn(prediction, accept, context), context)
            else:
                refuse_iterators(prediction)
                if envelope and accept == JSON:
                    prediction = {envelope: prediction}
                answer = CODECS[accept].encode(prediction), accept
            context.finish_step(ENCODE)
            return answer
        except RequestError:
            raise
        except Exception as error:
            raise explain(error, function) from error


def _payload(body: bytes, media_type: MediaType) -> str | bytes:
    return decode_text(body, media_type) if media_type.name in _TEXT_TYPES else body
