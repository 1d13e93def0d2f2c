"""Returns from output_fn what the first cell of the input names."""

import numpy as np

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
}


def model_fn(model_dir):
    return None


def input_fn(input_data, content_type):
    return input_data


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return OUTPUTS[prediction]
