"""The one way from a request's body to an answer's: decode, predict, encode."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlberth.errors import ContractError, Fault
from mlberth_serve import frameworks
from mlberth_serve.codecs import CODECS, READERS, first_names, npy
from mlberth_serve.codecs.base import Decoded, decode_text
from mlberth_serve.errors import (
    BadRequestError,
    NotAcceptableError,
    RequestError,
    UnsupportedTypeError,
)
from mlberth_serve.handler.batched import DEFAULT_MAX_BATCH, is_batched
from mlberth_serve.handler.concurrent import is_concurrent, is_generator
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import Request
from mlberth_serve.handler.response import Response, to_body
from mlberth_serve.handler.stream_items import is_stream
from mlberth_serve.inference.batching import Answer, Batches
from mlberth_serve.inference.handler_errors import to_http_error
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.inference.streaming import Stream
from mlberth_serve.media_types import EVENT_STREAM, JSON, NPY, TEXT, MediaType, concrete, negotiate
from mlberth_serve.shared.metrics_recorder import DECODE, ENCODE, PREDICT
from mlberth_serve.variables import Variables

log = logging.getLogger(__name__)


class Pipeline:
    """One loaded model and its handler, ready for requests."""

    def __init__(self, handler: Handler, default_accept: str, max_batch_size: int | None = None) -> None:
        self._handler = handler
        self._max_batch_size = max_batch_size
        self._batches = Batches(self, reads_alike=not handler.input_fn, writes_alike=not handler.output_fn)
        self._yields = is_generator(handler.predict_fn)
        self._own_output = bool(handler.output_fn or handler.transform_fn or self._yields)
        functions = (handler.predict_fn, handler.output_fn, handler.transform_fn)
        self._concurrent = any(is_concurrent(function) for function in functions)
        self._own_input = bool(handler.input_fn or handler.transform_fn)
        if default_accept not in CODECS and not self._own_output:
            name = Variables.default_invocations_accept.name
            raise ContractError(
                Fault(name, repr(default_accept), f"one of {first_names(CODECS)}, or an output_fn")
            )
        self._offered = tuple(dict.fromkeys((default_accept, *CODECS)))
        # Only its predict_fn knows what a handler streams.
        self._negotiable = self._offered if handler.can_move else (*self._offered, EVENT_STREAM, TEXT)

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""
        return ("*/*",) if self._own_input else tuple(READERS)

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""
        streamed = (EVENT_STREAM, TEXT) if self._yields else ()
        return (*self._offered, *streamed, "*/*") if self._own_output else self._offered

    @property
    def max_batch_size(self) -> int:
        """How many requests may be predicted in one call; 1 is each by itself."""
        if self._handler.transform_fn or self._yields or self._batches.refused:
            return 1
        return self._max_batch_size or (DEFAULT_MAX_BATCH if is_batched(self._handler.predict_fn) else 1)

    def move_to(self, device: str) -> None:
        """Move the model to a worker's device, "cpu" or "cuda:N": for the worker alone, after the fork."""
        if self._handler.can_move:
            frameworks.move_to(self._handler.model, device)

    def choose_accept(self, header: str | None) -> str:
        """Return the media type of the answer; raises RequestError before anything is predicted.

        A handler that writes answers itself can write any type that the header names.
        """
        if self._own_output:
            return negotiate(header, (self._offered[0], *concrete(header), *self._offered[1:]))
        return negotiate(header, self._negotiable)

    def transform(
        self, body: bytes | memoryview, media_type: MediaType, context: Context
    ) -> tuple[bytes | Stream, str]:
        """Return the answer's body and media type.

        Raises RequestError: what the handler raised of that kind, or what `handler_fault` makes of
        anything else, with the cause.
        """
        if self._handler.transform_fn:
            return self._transform_at_once(body, media_type, context)
        data, envelope = self.decode(Request(body, media_type, context))
        return self.encode(self.predict(data, context), envelope, context)

    def transform_batch(self, requests: Sequence[Request], context: Context) -> list[Answer]:
        """Return what `transform` would for each request, or what it would raise."""
        return self._batches.transform(requests, context)

    @property
    def has_joined(self) -> bool:
        """Whether the latest batch was predicted in one call."""
        return self._batches.joined

    def _transform_at_once(
        self, body: bytes | memoryview, media_type: MediaType, context: Context
    ) -> tuple[bytes | Stream, str]:
        handler = self._handler
        assert handler.transform_fn is not None
        began = time.monotonic()
        try:
            data = _payload(body, media_type)
            result = handler.transform_fn(handler.model, data, media_type.sent, context.accept, context)
            context.step_times.append((PREDICT, time.monotonic() - began, 1))
            return self._to_answer(result, context, "transform_fn")
        except RequestError:
            raise
        except BaseException as error:
            raise to_http_error(error, "transform_fn") from error

    # In each step an exception of any kind is the handler's, KeyboardInterrupt too: no signal raises anything
    # in a worker. One that is no RequestError becomes one.
    def decode(self, request: Request) -> Decoded:
        """Return what a body holds; raises RequestError."""
        body, media_type, context = request
        began = time.monotonic()
        input_fn = self._handler.input_fn
        if not input_fn and (not body or media_type.fault or media_type.name not in READERS):
            raise _refusal(body, media_type)
        try:
            if input_fn:
                decoded = Decoded(input_fn(_payload(body, media_type), media_type.sent, context))
            elif media_type.name == NPY:
                decoded = npy.decode(body, media_type)  # where it lies, without a copy
            else:
                decoded = READERS[media_type.name].decode(bytes(body), media_type)
            context.step_times.append((DECODE, time.monotonic() - began, 1))
            return decoded
        except RequestError:
            raise
        except BaseException as error:
            raise to_http_error(error, "input_fn") from error

    def predict(self, data: Any, context: Context) -> Any:
        """Return the prediction for the rows of one request, or of several; raises RequestError."""
        assert self._handler.predict_fn is not None
        began = time.monotonic()
        try:
            prediction = self._handler.predict_fn(data, self._handler.model, context)
            context.step_times.append((PREDICT, time.monotonic() - began, 1))
            return prediction
        except RequestError:
            raise
        except BaseException as error:
            raise to_http_error(error, "predict_fn") from error

    def encode(self, prediction: Any, envelope: str, context: Context) -> tuple[bytes | Stream, str]:
        """Return the body and media type of a response; raises RequestError."""
        began = time.monotonic()
        output_fn, accept = self._handler.output_fn, context.accept
        answer: tuple[bytes | Stream, str]
        try:
            if output_fn:
                answer = self._to_answer(output_fn(prediction, accept, context), context, "output_fn")
            # An array, the usual prediction, is told by its class alone.
            elif type(prediction) is not np.ndarray and (
                is_stream(prediction) or isinstance(prediction, Response)
            ):
                answer = self._to_answer(prediction, context, "predict_fn")
            elif codec := CODECS.get(accept):
                if envelope and accept == JSON:
                    prediction = {envelope: prediction}
                answer = codec.encode(prediction), accept
            else:
                text = f"This answer is no stream, and is not written as {accept}."
                raise NotAcceptableError(text)  # noqa: TRY301 - as what the codec raises
            context.step_times.append((ENCODE, time.monotonic() - began, 1))
            return answer
        except RequestError:
            raise
        except BaseException as error:
            raise to_http_error(error, "output_fn" if output_fn else "predict_fn") from error

    def _to_answer(self, result: Any, context: Context, function: str) -> tuple[bytes | Stream, str]:
        body, content_type = to_body(result, context)
        if isinstance(body, bytes):
            return body, content_type
        return Stream(body, content_type, function, concurrent=self._concurrent), content_type


def _refusal(body: bytes | memoryview, media_type: MediaType) -> RequestError:
    """Return the answer to what no codec reads; a handler's own functions are given whatever was sent."""
    if not body:
        return BadRequestError("The body is empty.")
    if media_type.fault:
        return BadRequestError(media_type.fault)
    return UnsupportedTypeError(f"Content-Type is none of {first_names(READERS)}.")


def _payload(body: bytes | memoryview, media_type: MediaType) -> str | bytes:
    return decode_text(bytes(body), media_type) if media_type.is_text else bytes(body)
