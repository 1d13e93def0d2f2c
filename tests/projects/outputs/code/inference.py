"""Returns from output_fn what the first cell of the input names."""


import flask
import numpy as np

from mlberth_serve.handler.response import Response


class Rendered:
    """The shape of Starlette's response."""

    status_code = 202
    headers = {"Content-Type": "text/plain", "content-length": "99", "X-Rendered": "1"}
    body = b"rendered"


OUTPUTS = {
    "str": "é",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "pair": (b"<p>", "text/html"),
    "pair of a list": ([1, 2], "application/json"),
    "list": [1, 2],
    "array": np.array([0.1], dtype=np.float32),
    "dict": {"label": "cat"},
    "none": None,
    "header injection": ("x", "text/html\r\nX-Evil: 1"),
    "object": object(),
    "response": Response([1], status=201, headers={"X-Own": "1"}),
    "response of a type": Response("<p>", content_type="text/html"),
    "response without body": Response(status=204),
    "response with a bad status": Response(status="abc"),
    "response with a bad header": Response(headers={"X-A": "1\r\nX-Evil: 1"}),
    "response with a header of bytes": Response(headers={"X-A": b"1"}),
    "response with a header of None": Response(headers={"X-A": None}),
    "response with a length": Response(headers={"Content-Length": "99"}),
    "flask": flask.Response("{}", 201, {"X-Own": "1"}, content_type="application/json"),
    "streamed": flask.Response(iter(["a", b"b"])),
    "starlette": Rendered(),
}


def model_fn(model_dir):
    return None


def input_fn(input_data, content_type):
    return input_data


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return OUTPUTS[prediction]
