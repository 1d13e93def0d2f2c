"""The default functions of a handler, and the class that calls a handler's functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mlberth.compat.server import ServerEnvironment
from mlberth.compat.training.functions import error_wrapper
from sagemaker_containers.beta.framework import encoders, errors, worker

__all__ = [
    "Transformer",
    "default_input_fn",
    "default_model_fn",
    "default_output_fn",
    "default_predict_fn",
]

Function = Callable[..., Any]


def default_model_fn(model_dir: str) -> Any:
    """Load the model; there is no default."""
    raise NotImplementedError(f"a model_fn(model_dir) that loads {model_dir}")


def default_input_fn(input_data: Any, content_type: str) -> Any:
    """Return the body as an array."""
    return encoders.decode(input_data, content_type)


def default_predict_fn(data: Any, model: Any) -> Any:
    """Predict; there is no default."""
    raise NotImplementedError("a predict_fn(data, model)")


def default_output_fn(prediction: Any, accept: str) -> worker.Response:
    """Return the prediction as a response of the accepted type."""
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)


class Transformer:
    """Loads the model, and answers with what the functions make of a body."""

    def __init__(  # noqa: PLR0917 - sagemaker-containers' signature
        self,
        model_fn: Function | None = None,
        input_fn: Function | None = None,
        predict_fn: Function | None = None,
        output_fn: Function | None = None,
        error_class: type[Exception] = errors.ClientError,
        transform_fn: Function | None = None,
    ) -> None:
        def own_or(function: Function | None, default: Function) -> Function:
            return error_wrapper(function, error_class) if function else default

        self._model: Any = None
        self._model_fn = own_or(model_fn, default_model_fn)
        self._input_fn = input_fn or default_input_fn  # its UnsupportedFormatError is an answer
        self._predict_fn = own_or(predict_fn, default_predict_fn)
        self._output_fn = output_fn or default_output_fn
        self._transform_fn = transform_fn or self._default_transform_fn

    def initialize(self) -> None:
        """Load the model."""
        self._model = self._model_fn(ServerEnvironment().model_dir)

    def transform(self) -> Any:
        """Return the response to the request that is being answered."""
        request = worker.Request()
        result = self._transform_fn(self._model, request.content, request.content_type, request.accept)
        return worker.Response(result[0], mimetype=result[1]) if isinstance(result, tuple) else result

    def _default_transform_fn(self, model: Any, content: Any, content_type: str, accept: str) -> Any:
        try:
            data = self._input_fn(content, content_type)
        except errors.UnsupportedFormatError as error:
            return _refusal(error, 415)
        prediction = self._predict_fn(data, model)
        try:
            return self._output_fn(prediction, accept)
        except errors.UnsupportedFormatError as error:
            return _refusal(error, 406)


def _refusal(error: Exception, status: int) -> worker.Response:
    body = json.dumps({"error": type(error).__name__, "error-message": str(error)})
    return worker.Response(body, status=status)
