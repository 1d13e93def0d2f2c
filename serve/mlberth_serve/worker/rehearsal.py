"""A first prediction in the fork server, so that models' processes find what such a one leaves in memory.

Libraries fill caches when they are first called. Each forked process would do that for itself:
for scikit-learn that is more than a megabyte of a model's 20, and a part of its load.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from io import BytesIO

from mlberth_serve import frameworks
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.inference.pipeline import Pipeline
from mlberth_serve.media_types import CSV, JSON, parse_content_type

SKLEARN = "sklearn.linear_model"


def rehearse(modules: Container[str]) -> None:
    """Load a small model of a framework that is imported, and predict; raises what its library raises.

    scikit-learn alone: XGBoost and PyTorch might start threads, which no forked process would have.
    """
    if SKLEARN not in modules:
        return
    import joblib
    from sklearn.linear_model import LogisticRegression

    file = BytesIO()
    joblib.dump(LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1]), file)
    file.seek(0)
    model = joblib.load(file)
    disabled = logging.root.manager.disable
    logging.disable()  # nobody has asked for this
    try:
        pipeline = Pipeline(Handler(model, predict_fn=frameworks.make_predict(model)), JSON)
        for body, name in ((b"0,1", CSV), (b"[[0, 1]]", JSON)):
            pipeline.transform(body, parse_content_type(name), Context(accept=JSON))
    finally:
        logging.disable(disabled)
