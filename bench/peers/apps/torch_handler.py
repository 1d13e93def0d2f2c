"""A TorchServe handler around the model."""

import io
import os

import joblib
import numpy as np


class Handler:
    def initialize(self, context):
        self.model = joblib.load(os.path.join(context.system_properties["model_dir"], "model.joblib"))

    def handle(self, data, context):
        body = data[0].get("body")
        rows = np.load(io.BytesIO(body)) if isinstance(body, bytes | bytearray) else np.asarray(body)
        return [self.model.predict(rows).tolist()]
