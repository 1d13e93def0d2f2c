"""The inference server's implementation: a Flask application with /ping and /invocations."""

import io
from pathlib import Path

import flask
import joblib
import numpy as np

MODEL = Path("/opt/ml/model/decision-tree-model.joblib")
NAMES = ["setosa", "versicolor", "virginica"]


class ScoringService:
    """The model, loaded when it is first needed."""

    model = None

    @classmethod
    def get_model(cls):
        """Return the model."""
        if cls.model is None:
            cls.model = joblib.load(MODEL)
        return cls.model

    @classmethod
    def predict(cls, rows):
        """Return the name of each flower."""
        return [NAMES[label] for label in cls.get_model().predict(rows)]


app = flask.Flask(__name__)


@app.route("/ping", methods=["GET"])
def ping():
    """Load the model: who can do that is healthy."""
    status = 200 if ScoringService.get_model() is not None else 404
    return flask.Response(response="\n", status=status, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def transformation():
    """Predict a batch of rows in CSV, and answer in CSV."""
    if flask.request.content_type != "text/csv":
        return flask.Response(
            response="This predictor only supports CSV data", status=415, mimetype="text/plain"
        )
    rows = np.loadtxt(io.StringIO(flask.request.data.decode("utf-8")), delimiter=",", ndmin=2)
    return flask.Response(
        response="\n".join(ScoringService.predict(rows)) + "\n", status=200, mimetype="text/csv"
    )
