"""A featurizer in the way of the scikit-learn container's inference pipelines."""

import argparse
import csv
import json
import os
from io import StringIO

import joblib
import numpy as np
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker
from sklearn.preprocessing import StandardScaler

label_column = "rings"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    args = parser.parse_args()
    joblib.dump(StandardScaler().fit([[0, 0], [2, 4]]), os.path.join(args.model_dir, "model.joblib"))


def input_fn(input_data, content_type):
    """The label is dropped where a row has one."""
    if content_type == content_types.CSV:
        rows = list(csv.reader(StringIO(input_data)))
        return np.array([row[:2] for row in rows], dtype=float)
    raise ValueError("{} not supported by script!".format(content_type))


def output_fn(prediction, accept):
    if accept == "application/json":
        instances = [{"features": row} for row in prediction.tolist()]
        return worker.Response(json.dumps({"instances": instances}), mimetype=accept)
    if accept == "text/csv":
        return worker.Response(encoders.encode(prediction, accept), mimetype=accept)
    raise RuntimeError("{} accept type is not supported by this script.".format(accept))


def predict_fn(input_data, model):
    return model.transform(input_data)


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
