"""All four functions, each with context in another way."""

import json
from pathlib import Path


def model_fn(model_dir):
    return {"scale": json.loads((Path(model_dir) / "scale.json").read_text())}


def input_fn(input_data, content_type, context):
    assert isinstance(input_data, str)
    assert content_type == "text/csv"
    return [float(cell) for cell in input_data.split(",")]


def predict_fn(data, model, *, context=None):
    context.set_custom_attributes(context.custom_attributes.upper())
    return [cell * model["scale"] for cell in data]


def output_fn(prediction, accept, ctx):
    ctx.set_response_header("X-Rows", str(len(prediction)))
    return ";".join(map(str, prediction)), "text/plain; charset=utf-8"
