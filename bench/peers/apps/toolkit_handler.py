"""A handler as sagemaker-inference-toolkit asks for it."""

import os

import joblib


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def predict_fn(data, model):
    return model.predict(data.reshape(1, -1) if data.ndim == 1 else data)
