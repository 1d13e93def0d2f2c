"""A handler in the way of the PyTorch container, with the model server's context."""

import json
import logging
import os
import sys
import time

from sagemaker_inference import content_types, decoder, default_inference_handler, encoder, errors, utils

logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)
logger.addHandler(logging.StreamHandler(sys.stdout))


class Model:
    """Stands in for a network, so that the test needs none."""

    def __init__(self, factor, device):
        self.factor = factor
        self.device = device

    def __call__(self, array):
        return array * self.factor


def model_fn(model_dir, context):
    properties = context.system_properties
    gpu_id = properties.get("gpu_id")
    device = "cuda:" + str(gpu_id) if gpu_id is not None else "cpu"
    with open(os.path.join(properties.get("model_dir"), "model.json")) as file:
        return Model(json.load(file)["factor"], device)


def input_fn(input_data, content_type, context):
    header = utils.retrieve_content_type_header(context.request_processor[0].get_request_properties())
    if not header.startswith(content_type):
        raise errors.GenericInferenceToolkitError(400, "two content types")
    array = decoder.decode(input_data, content_type)
    if array.size > 3:
        raise errors.GenericInferenceToolkitError(422, "at most three values")
    return array


def predict_fn(data, model, context):
    start = time.time()
    result = model(data)
    context.metrics.add_time("PredictTime", (time.time() - start) * 1000, None, "ms")
    return result


def output_fn(prediction, accept, context):
    attributes = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    if attributes:
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", attributes)
    return encoder.encode(prediction, accept), accept
