"""A first prediction in the fork server, so that models' processes find what such a one leaves in memory.

Libraries fill caches when they are first called. Each forked process would do that for itself:
for scikit-learn that is three megabytes of a model's 20, and a part of its load.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from io import BytesIO

from gunicorn.config import Config

from mlberth.masking import masked_text, secret_values
from mlberth_serve import frameworks
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.inference.pipeline import Pipeline
from mlberth_serve.media_types import CSV, JSON, parse_content_type
from mlberth_serve.settings import Settings

SKLEARN = "sklearn.linear_model"


def rehearse(modules: Container[str], environ: Mapping[str, str]) -> None:
    """Read settings, load a small model of a framework that is imported, and predict.

    Raises what its library raises. It is for scikit-learn alone: XGBoost and PyTorch may start threads, which
    no forked process would have.
    """
    masked_text("as each process does", secret_values(environ))  # compiles the patterns of secrets
    Settings.from_environ(environ)
    Config()
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
