"""Answers with the custom attributes of the request."""


def model_fn(model_dir):
    return None


def transform_fn(model, data, content_type, accept, context):
    context.set_custom_attributes(context.custom_attributes)
    return "done"
