"""A handler in the way of the XGBoost container's script mode."""

import json
import os

import numpy as np
import xgboost as xgb
from sagemaker_containers import entry_point
from sagemaker_containers.beta.framework import content_types
from sagemaker_xgboost_container import encoder as xgb_encoders
from sagemaker_xgboost_container.data_utils import get_dmatrix


def model_fn(model_dir):
    booster = xgb.Booster()
    booster.load_model(os.path.join(model_dir, "xgboost-model.json"))
    return booster


def input_fn(request_body, request_content_type):
    if request_content_type == "text/libsvm":
        return xgb_encoders.libsvm_to_dmatrix(request_body)
    if request_content_type == content_types.JSON:
        return xgb.DMatrix(np.array(json.loads(request_body)["instances"]))
    return xgb_encoders.decode(request_body, request_content_type)


def predict_fn(input_data, model):
    prediction = model.predict(input_data, validate_features=False)
    contributions = model.predict(input_data, pred_contribs=True, validate_features=False)
    return np.hstack((prediction[:, np.newaxis], contributions))


def output_fn(predictions, content_type):
    if content_type == "text/csv":
        return ",".join(str(value) for value in predictions[0])
    raise ValueError("Content type {} is not supported.".format(content_type))
