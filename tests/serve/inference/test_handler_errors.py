"""What a handler's exceptions mean to the client."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import NotFound

from mlberth_serve.errors import HandlerError
from mlberth_serve.inference.handler_errors import to_http_error


class BaseInferenceToolkitError(Exception):
    """As in sagemaker-inference-toolkit."""

    def __init__(self, status_code: object, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """As there."""


class PredictionException(Exception):  # noqa: N818 - the peer's name
    """As in multi-model-server and TorchServe."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


class HTTPException(Exception):  # noqa: N818 - the peer's name
    """As in Starlette and FastAPI."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(status_code, detail)
        self.status_code = status_code
        self.detail = detail


class UnsupportedFormatError(Exception):
    """As in sagemaker-inference-toolkit and sagemaker-containers."""


class OutOfMemoryError(RuntimeError):
    """As in torch.cuda and cupy."""


class XGBoostError(ValueError):
    """As in xgboost."""


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (GenericInferenceToolkitError(422, "too old", "Too Old"), 422, "unprocessable_entity", "too old"),
        (PredictionException("no such city", 404), 404, "not_found", "no such city"),
        (PredictionException("odd", 499), 499, "handler_error", "odd"),
        (HTTPException(403, "not yours"), 403, "forbidden", "not yours"),
        (NotFound("gone"), 404, "not_found", "gone"),
        (MemoryError(), 507, "out_of_memory", "predict_fn ran out of memory."),
        (OutOfMemoryError("GPU 0"), 507, "out_of_memory", "predict_fn ran out of memory."),
        (RuntimeError("CUDA out of memory."), 507, "out_of_memory", "predict_fn ran out of memory."),
        (XGBoostError("std::bad_alloc"), 507, "out_of_memory", "predict_fn ran out of memory."),
        (UnsupportedFormatError("x/y"), 415, "unsupported_media_type", None),
        (ValueError("out of memory"), 500, "handler_failed", None),
        (BaseInferenceToolkitError(200, "no error", ""), 500, "handler_failed", None),
        (BaseInferenceToolkitError("422", "no number", ""), 500, "handler_failed", None),
        (KeyError("secret"), 500, "handler_failed", None),
    ],
)
def test_exceptions_have_a_status(error: Exception, status: int, code: str, message: str | None) -> None:
    """The peers' errors keep their status, want of memory is 507, and all else is the handler's failure."""
    found = to_http_error(error, "predict_fn")
    assert (found.status, found.code) == (status, code)
    assert isinstance(found, HandlerError) == (status in {500, 507})
    if message:
        assert found.message == message
    else:
        assert str(error) not in found.message


def test_unsupported_format_of_an_answer_is_not_acceptable() -> None:
    """The same error is about Content-Type in input_fn, and about Accept in output_fn."""
    assert to_http_error(UnsupportedFormatError("x/y"), "output_fn").status == 406
