"""Everything about the signatures is wrong."""

model_fn = "model"


def input_fn(data):
    return data


async def predict_fn(data, model):
    return data


def transform_fn(model, data):
    return data
