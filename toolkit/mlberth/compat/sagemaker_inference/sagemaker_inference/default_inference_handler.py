"""A handler's functions as methods, for a class of the user's to build on."""

# ruff: noqa: ARG002 - the signatures are sagemaker-inference-toolkit's

from __future__ import annotations

from typing import Any

from sagemaker_inference import decoder, encoder


class DefaultInferenceHandler:
    """What is done where the user's module has no function of the name without `default_`."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        """Load the model; there is no default."""
        raise NotImplementedError("Please provide a model_fn implementation.")

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:
        """Return the body as an array."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """Predict; there is no default."""
        raise NotImplementedError("Please provide a predict_fn implementation.")

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> tuple[Any, str]:
        """Return the response's body and media type."""
        return encoder.encode(prediction, accept), accept
