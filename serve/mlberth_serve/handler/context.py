"""The context of a request: what a handler may ask about it, and add to the response."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from mlberth_serve.errors import BadRequestError
from mlberth_serve.handler.headers import Headers
from mlberth_serve.handler.metrics import HandlerMetrics, NoSink, Sink
from mlberth_serve.handler.mms_context import ModelServerContext
from mlberth_serve.handler.placement import Placement
from mlberth_serve.handler.response_headers import (
    COOKIE,
    CUSTOM_ATTRIBUTES,
    LONGEST_CUSTOM_ATTRIBUTES,
    PLAIN,
    Pairs,
    check_header,
    pairs,
    replaced,
)
from mlberth_serve.shared.limits import MAX_HEADER_BYTES
from mlberth_serve.shared.metrics_recorder import ENVIRON_RECORDER, StepTime
from mlberth_serve.shared.request_ids import trace_id

if TYPE_CHECKING:
    from mlberth_serve.handler.stateful_session import StatefulSession

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
HANDLER_LOGGER = "handler"

ENVIRON_CUSTOM_ATTRIBUTES = "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"
ENVIRON_SESSION_ID = "HTTP_X_AMZN_SAGEMAKER_SESSION_ID"
ADAPTER_IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ENVIRON_ADAPTER_IDENTIFIER = "HTTP_X_AMZN_SAGEMAKER_ADAPTER_IDENTIFIER"
ENVIRON_SESSION = "mlberth.session"
"""Where the WSGI environment has the stateful session of the request."""
ENVIRON_ADAPTER = "mlberth.adapter"
"""Where it has what was loaded for the adapter that the request names."""
_NOWHERE = Placement()
_NO_SINK = NoSink()


@dataclass(slots=True, eq=False, repr=False)
class Context(ModelServerContext):
    """One request, or the load of the model, which has no headers."""

    _environ: Mapping[str, object] = field(default_factory=dict)
    request_id: str = ""
    """Also in the answer's X-Request-Id and in the log."""
    content_type: str = ""
    """The body's media type without its parameters, in lower case."""
    accept: str = ""
    """The media type chosen for the answer."""
    placement: Placement = field(default=_NOWHERE, kw_only=True)
    deadline: float = field(default=math.inf, kw_only=True)
    """The timeout after the worker took the request, on `time.monotonic`."""
    step_times: list[StepTime] = field(default_factory=list, kw_only=True)
    """What the steps of the request have taken, for the metrics."""
    response_status: int = field(default=200, init=False)
    response_content_type: str = field(default="", init=False)
    response_headers: Pairs = field(default=(), init=False)

    @property
    def headers(self) -> Headers:
        """The request's headers, as they were sent."""
        return Headers(self._environ)

    @property
    def query(self) -> str:
        """The request's query string, "" if there is none."""
        return str(self._environ.get("QUERY_STRING", ""))

    @property
    def custom_attributes(self) -> str:
        """The request's X-Amzn-SageMaker-Custom-Attributes, "" if there are none."""
        return self.headers.get(CUSTOM_ATTRIBUTES, "")

    @property
    def inference_id(self) -> str:
        """The request's X-Amzn-SageMaker-Inference-Id, "" if there is none."""
        return self.headers.get(INFERENCE_ID, "")

    @property
    def trace_id(self) -> str:
        """The id of the request's W3C trace, of 32 hexadecimal digits: the client's, or a new one."""
        return trace_id(self._environ, self.request_id)

    @property
    def target_model(self) -> str:
        """The request's X-Amzn-SageMaker-Target-Model, "" if there is none."""
        return self.headers.get(TARGET_MODEL, "")

    @property
    def session(self) -> StatefulSession | None:
        """The stateful session that the request names, None if it names none."""
        session: StatefulSession | None = self._environ.get(ENVIRON_SESSION)  # type: ignore[assignment]
        return session

    @property
    def adapter(self) -> Any:
        """What `load_adapter_fn` returned for the adapter that the request names, None if it names none."""
        return self._environ.get(ENVIRON_ADAPTER)

    @property
    def seconds_left(self) -> float:
        """How long the answer may still take, at least 0; infinite while the model is loaded."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def device(self) -> str:
        """What this worker should predict on: "cpu" or "cuda:N"."""
        return self.placement.device

    @property
    def worker(self) -> int:
        """Which of the workers this is, from 0."""
        return self.placement.worker

    def begin_batch(self, contexts: Sequence[Context]) -> None:
        """Become the context of a call for several requests: what they have in common."""
        self.request_id = f"batch of {len(contexts)}"
        self.content_type, self.accept = contexts[0].content_type, contexts[0].accept
        self.deadline = min(context.deadline for context in contexts)

    @property
    def metrics(self) -> HandlerMetrics:
        """The handler's own counters and measurements."""
        recorder: Sink | None = self._environ.get(ENVIRON_RECORDER)  # type: ignore[assignment]
        return HandlerMetrics(recorder or _NO_SINK)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines begin with the request's id."""
        return _RequestLogger(logging.getLogger(HANDLER_LOGGER), {"request_id": self.request_id})

    def set_custom_attributes(self, value: str) -> None:
        """Answer with X-Amzn-SageMaker-Custom-Attributes: at most 1024 printable ASCII characters."""
        if len(value) > LONGEST_CUSTOM_ATTRIBUTES:
            raise ValueError(f"custom attributes have at most {LONGEST_CUSTOM_ATTRIBUTES} characters")
        self.set_response_header(CUSTOM_ATTRIBUTES, value)

    @overload
    def set_response_header(self, name: str, value: str, /) -> None: ...
    @overload
    def set_response_header(self, idx: int, key: str, value: str, /) -> None: ...
    def set_response_header(self, *arguments: object) -> None:
        """Add a header to the answer, or replace it; raises ValueError for what would break it.

        Names are the same in any case; cookies are added to each other.
        The Content-Type is the second item of what `output_fn` or `transform_fn` returns. With a
        number before the name this is the multi-model-server's method.
        """
        name, value = arguments[1:] if len(arguments) == 3 else arguments
        header = check_header(name, value)
        if header[0].lower() == COOKIE:
            self.response_headers = [*self.response_headers, header]
        else:
            self.response_headers = replaced(self.response_headers, [header])

    def add_response_headers(self, headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add headers to the answer: of a list each, a name's several times; raises ValueError."""
        new = [check_header(name, value) for name, value in pairs(headers)]
        self.response_headers = replaced(self.response_headers, new)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:  # noqa: ARG002 - the peers' signature
        """Answer with another status than 200: from 200 to 599; the phrase is the standard's own."""
        if not isinstance(code, int) or not 200 <= code <= 599:
            raise ValueError(f"status {code!r} is not a whole number from 200 to 599")
        self.response_status = code

    def set_response_content_type(self, idx: int, value: str) -> None:  # noqa: ARG002 - the peers' signature
        """Set the media type of an answer that names none itself; raises ValueError for what is none."""
        self.response_content_type = check_content_type(value)


class _RequestLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # it takes a type from 3.11 on
    def process(
        self, message: Any, options: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the request's id in front."""
        name = (self.extra or {}).get("request_id")
        return (f"request {name}: {message}" if name else message), options


def check_content_type(value: object) -> str:
    """Return a handler's content type; raises ValueError for what cannot be one.

    It becomes a header: a line end in it would let the body's author write headers.
    """
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and "/" in value):
        raise ValueError(f"{value!r} as content type")
    if len(value) > MAX_HEADER_BYTES - len("Content-Type: "):
        raise ValueError(f"a content type of {len(value)} characters; at most {MAX_HEADER_BYTES} can be sent")
    return value


def check_custom_attributes(environ: Mapping[str, object]) -> None:
    """Raise BadRequestError for custom attributes that the platform would not have passed on."""
    value = environ.get(ENVIRON_CUSTOM_ATTRIBUTES)
    if value and (len(str(value)) > LONGEST_CUSTOM_ATTRIBUTES or not PLAIN.fullmatch(str(value))):
        allowed = f"at most {LONGEST_CUSTOM_ATTRIBUTES} characters of printable ASCII"
        raise BadRequestError(f"{CUSTOM_ATTRIBUTES} takes {allowed}; {len(str(value))} were sent.")
