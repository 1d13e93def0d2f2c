"""A handler service in the way of the containers that build on sagemaker-inference-toolkit."""

from sagemaker_inference import content_types, decoder, encoder, environment, errors
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer


class InferenceHandler(DefaultInferenceHandler):
    def default_model_fn(self, model_dir, context=None):
        assert model_dir == environment.model_dir
        return environment.Environment().model_server_timeout

    def default_input_fn(self, input_data, content_type, context=None):
        if content_type in content_types.UTF8_TYPES:
            assert isinstance(input_data, str)
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data, model, context=None):
        if data.size > 3:
            raise errors.GenericInferenceToolkitError(422, "at most three values")
        return data + model

    def default_output_fn(self, prediction, accept, context=None):
        return encoder.encode(prediction, accept)


class HandlerService(DefaultHandlerService):
    def __init__(self):
        self._initialized = False
        transformer = Transformer(default_inference_handler=InferenceHandler())
        super(HandlerService, self).__init__(transformer=transformer)

    def initialize(self, context):
        if not self._initialized:
            super().initialize(context)
            self._initialized = True
