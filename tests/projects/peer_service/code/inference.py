"""A custom service in the way of the multi-model-server."""

import json
import os


class ModelHandler(object):
    """A sample service."""

    def __init__(self):
        self.initialized = False
        self.factor = None

    def initialize(self, context):
        self.initialized = True
        properties = context.system_properties
        model_dir = properties.get("model_dir")
        gpu_id = properties.get("gpu_id")
        assert properties.get("batch_size") == 1
        self.device = "cpu" if gpu_id is None else "gpu"
        with open(os.path.join(model_dir, "factor.json")) as file:
            self.factor = json.load(file)

    def preprocess(self, request):
        rows = []
        for idx, data in enumerate(request):
            body = data.get("body")
            rows.append([float(value) for value in body.split(",")] if isinstance(body, str) else body["instances"])
        return rows

    def inference(self, model_input):
        return [[value * self.factor for value in row] for row in model_input]

    def postprocess(self, inference_output):
        return inference_output

    def handle(self, data, context):
        model_input = self.preprocess(data)
        model_out = self.inference(model_input)
        if context.get_request_header(0, "X-Fail"):
            context.set_response_status(code=400, phrase="Bad Request", idx=0)
            return ["no"]
        return self.postprocess(model_out)


_service = ModelHandler()


def handle(data, context):
    if not _service.initialized:
        _service.initialize(context)

    if data is None:
        return None

    return _service.handle(data, context)
