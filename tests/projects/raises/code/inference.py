"""Raises in predict_fn what the input names."""

from mlberth_serve.errors import BadRequestError, RequestError


def model_fn(model_dir):
    return None


def input_fn(input_data, content_type):
    return input_data


def predict_fn(data, model, context):
    if data == "value":
        raise ValueError("the password is in /opt/ml/secret")
    if data == "bad":
        raise BadRequestError("Rows need an id.")
    if data == "teapot":
        raise RequestError(418, "teapot", "Short and stout.")
    if data == "status":
        raise RequestError(200, "fine", "Not an error.")
    if data == "header":
        context.set_response_header("X-A", "1\r\nX-Evil: 1")
    if data == "attributes":
        context.set_custom_attributes("a" * 1025)
    if data == "no content":
        context.set_response_status(204)
    if data == "created":
        context.set_response_status(201)
    return data
