"""Answer with words, so that a test sees which code answered."""


def predict_fn(rows, model):
    return ["yes" if label else "no" for label in model.predict(rows)]
