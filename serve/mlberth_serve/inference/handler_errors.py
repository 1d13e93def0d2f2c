"""Exceptions that a handler raised, and what they mean to the client.

Handlers for other servers raise those servers' errors. They are known by their names, since the classes
are the user's own installed packages'.
"""

from __future__ import annotations

from http import HTTPStatus

from mlberth.compat.arrays import TooLargeError
from mlberth_serve.errors import HandlerError, OutOfMemoryError, RequestError

_PEERS = (
    ("BaseInferenceToolkitError", "status_code", "message"),
    ("PredictionException", "error_code", "message"),
    ("HTTPException", "code", "description"),  # werkzeug's, which `flask.abort` raises
    ("HTTPException", "status_code", "detail"),  # starlette's
)
"""Their classes, and the attributes in which these hold the status and the message."""
_UNSUPPORTED = "UnsupportedFormatError"
"""Raised by the encoders and decoders of sagemaker-inference-toolkit and sagemaker-containers."""
_NO_MEMORY = ("out of memory", "bad_alloc")
"""What libraries of C++ say, CUDA's among them, that have no class for it."""


def to_http_error(error: BaseException, function: str) -> RequestError:
    """Return the error that answers the request, whatever the exception does when it is looked at."""
    try:
        return _to_http_error(error, function)
    except BaseException:  # noqa: BLE001 - raised by a property or `__str__` of the exception
        return HandlerError(function)


def _to_http_error(error: BaseException, function: str) -> RequestError:
    names = [kind.__name__ for kind in type(error).__mro__]
    if _UNSUPPORTED in names:
        if function == "output_fn":
            return RequestError(406, "not_acceptable", "The handler cannot write what Accept asks for.")
        return RequestError(415, "unsupported_media_type", "The handler cannot read the Content-Type.")
    if isinstance(error, TooLargeError) and function != "output_fn":
        return RequestError(413, "payload_too_large", str(error))
    for name, status, message in _PEERS:
        if name in names and (found := _make(getattr(error, status, None), getattr(error, message, None))):
            return found
    in_words = issubclass(type(error), RuntimeError) or "XGBoostError" in names
    no_memory = issubclass(type(error), MemoryError) or "OutOfMemoryError" in names
    if no_memory or (in_words and any(words in str(error).lower() for words in _NO_MEMORY)):
        return OutOfMemoryError(function)
    return HandlerError(function)


def _make(status: object, message: object) -> RequestError | None:
    if not isinstance(status, int) or not 400 <= status <= 599:
        return None
    try:
        code = HTTPStatus(status).name.lower()
    except ValueError:
        code = "handler_error"
    return RequestError(status, code, str(message or code))
