"""A handler class in the way of TorchServe, without an entry point of its own."""

import os


class ModelHandler(object):
    def __init__(self):
        self._context = None
        self.initialized = False
        self.explain = False
        self.target = 0

    def initialize(self, context):
        self._context = context
        self.manifest = context.manifest
        properties = context.system_properties
        model_dir = properties.get("model_dir")
        serialized_file = self.manifest["model"]["serializedFile"]
        model_pt_path = os.path.join(model_dir, serialized_file)
        if not os.path.isfile(model_pt_path):
            raise RuntimeError("Missing the model.pt file")
        with open(model_pt_path) as file:
            self.weight = int(file.read())
        self.initialized = True

    def handle(self, data, context):
        preprocessed_data = data[0].get("data")
        if preprocessed_data is None:
            preprocessed_data = data[0].get("body")
        context.set_response_content_type(0, "text/plain")
        return [str(len(preprocessed_data) * self.weight)]
