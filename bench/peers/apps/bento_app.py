"""A BentoML service around the model."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]))
class Service:
    def __init__(self):
        self.model = joblib.load(os.path.join(os.environ["BENCH_MODEL"], "model.joblib"))

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)
