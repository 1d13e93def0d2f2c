"""Error responses, raised by a user's handler or by us.

    RequestError              any status from 400 to 599
    ├── BadRequestError       400  the body or a header cannot be read
    ├── NotAcceptableError    406  no codec writes what Accept asks for
    ├── PayloadTooLargeError  413  the body is over the limit
    ├── UnsupportedTypeError  415  no codec reads the Content-Type
    ├── NotLoadedError        503  the model is not loaded yet
    ├── HandlerError          500  a function of the handler raised; the cause is for the log alone
    │   └── OutOfMemoryError  507  it raised for want of memory, the machine's or the GPU's
    ├── ResponseHeaderError   500  a header of the response is too large to be passed on
    └── InternalError         500  the fault is ours; the cause is for the log alone

Handlers raise RequestError by its public name, HTTPError.
"""

from __future__ import annotations


class RequestError(Exception):
    """End a request with a status, a code for programs and a message for people.

    The client reads all three, so `message` holds no path, no secret and no echo of the input.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"status {status} is not an error; expected 400 to 599")
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


HTTPError = RequestError
"""Its public name: `from mlberth_serve import HTTPError` (see `mlberth_serve.__init__`)."""


class BadRequestError(RequestError):
    """The body or a header cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "bad_request", message)


class NotAcceptableError(RequestError):
    """No codec writes what the Accept header asks for."""

    def __init__(self, message: str) -> None:
        super().__init__(406, "not_acceptable", message)


class PayloadTooLargeError(RequestError):
    """The body is over the limit, which is in bytes."""

    def __init__(self, limit: int) -> None:
        text = f"The body is larger than the limit of {describe_payload(limit)}."
        super().__init__(413, "payload_too_large", text)


class UnsupportedTypeError(RequestError):
    """No codec reads the Content-Type."""

    def __init__(self, message: str) -> None:
        super().__init__(415, "unsupported_media_type", message)


class NotLoadedError(RequestError):
    """The model is not loaded yet."""

    def __init__(self) -> None:
        super().__init__(503, "not_ready", "No model is ready. GET /ping says why.")


class HandlerError(RequestError):
    """A function of the handler raised; raise it `from` the cause, which goes to the log alone."""

    def __init__(self, function: str) -> None:
        super().__init__(
            500, "handler_failed", f"{function} failed; the log has the cause under this request id."
        )
        self.function = function


class OutOfMemoryError(HandlerError):
    """A function of the handler ran out of memory; the platform may free some and try again."""

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.status = 507
        self.code = "out_of_memory"
        self.message = f"{function} ran out of memory."


class ResponseHeaderError(RequestError):
    """A header that the handler has set is too large, or they all are; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(500, "response_headers_too_large", message)


class InternalError(RequestError):
    """The fault is ours; the cause goes to the log alone."""

    def __init__(self) -> None:
        super().__init__(500, "internal", "The server failed; the log has the cause under this request id.")


_MB = 1024 * 1024


def describe_payload(limit: int) -> str:
    """Return the largest body, in bytes, with the variable that sets it."""
    if limit % _MB:
        return f"{limit} bytes (MAX_CONTENT_LENGTH)"
    return f"{limit // _MB} MB (SAGEMAKER_MAX_PAYLOAD_IN_MB)"


def describe_timeout(seconds: float) -> str:
    """Return how long a request may take, with the variable that sets it."""
    return f"{seconds:g} s (SAGEMAKER_MODEL_SERVER_TIMEOUT)"
