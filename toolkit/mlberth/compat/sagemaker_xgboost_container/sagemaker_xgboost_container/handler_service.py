"""The container's own custom service, for a class of the user's to build on."""

from __future__ import annotations

from typing import Any

from mlberth.compat.training.coding import encode
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer
from sagemaker_xgboost_container import encoder


class HandlerService(DefaultHandlerService):
    """Asks a booster: bodies become a DMatrix, predictions what the client accepts."""

    class DefaultXGBoostUserModuleInferenceHandler(DefaultInferenceHandler):
        """What is done where the user's module has no function of the name; it has to load the model."""

        def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:  # noqa: ARG002
            """Return the body as a DMatrix."""
            return encoder.decode(input_data, content_type)

        def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:  # noqa: ARG002
            """Predict."""
            return model.predict(data, validate_features=False)

        def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> tuple[Any, str]:  # noqa: ARG002
            """Return the response's body and media type."""
            return encode(prediction, accept), accept

    def __init__(self) -> None:
        handler = self.DefaultXGBoostUserModuleInferenceHandler()
        super().__init__(transformer=Transformer(default_inference_handler=handler))
