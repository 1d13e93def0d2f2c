"""One function for everything."""


def model_fn(model_dir, context):
    return "model"


def transform_fn(model, data, content_type, accept):
    return f"{model} {type(data).__name__} {len(data)} {content_type} {accept}"
