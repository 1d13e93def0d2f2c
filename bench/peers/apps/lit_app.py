"""A LitServe API around the model."""

import sys

import joblib
import litserve
import numpy as np


class Api(litserve.LitAPI):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def setup(self, device):
        self.model = joblib.load(f"{self.folder}/model.joblib")

    def decode_request(self, request):
        return np.asarray(request["input"])

    def predict(self, rows):
        return self.model.predict(rows)

    def encode_response(self, output):
        return {"output": output.tolist()}


if __name__ == "__main__":
    host, port, workers, folder = sys.argv[1:]
    server = litserve.LitServer(Api(folder), accelerator="cpu", workers_per_device=int(workers))
    server.run(host=host, port=int(port), generate_client_file=False, log_level="warning")
