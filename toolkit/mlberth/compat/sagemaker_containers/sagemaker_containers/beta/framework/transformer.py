"""The default functions of a handler, for a user's function to fall back on."""

from __future__ import annotations

from typing import Any

from sagemaker_containers.beta.framework import encoders, worker


def default_input_fn(input_data: Any, content_type: str) -> Any:
    """Return the body as an array."""
    return encoders.decode(input_data, content_type)


def default_output_fn(prediction: Any, accept: str) -> worker.Response:
    """Return the prediction as a response of the accepted type."""
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)
