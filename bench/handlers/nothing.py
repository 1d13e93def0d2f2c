"""A handler that does nothing: what is left is the server."""


def model_fn(model_dir):
    return None


def transform_fn(model, data, content_type, accept):
    return b"0", accept
