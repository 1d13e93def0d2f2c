"""The application of the bring-your-own-container sample: Flask, with the model loaded by the first /ping."""

import os
import pickle

import flask

model_path = os.path.join(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "model")


class ScoringService(object):
    model = None

    @classmethod
    def get_model(cls):
        if cls.model is None:
            with open(os.path.join(model_path, "model.pkl"), "rb") as inp:
                cls.model = pickle.load(inp)
        return cls.model


app = flask.Flask(__name__)


@app.route("/ping", methods=["GET"])
def ping():
    health = ScoringService.get_model() is not None
    return flask.Response(response="\n", status=200 if health else 404, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def transformation():
    if flask.request.content_type != "text/csv":
        return flask.Response("This predictor only supports CSV data", status=415, mimetype="text/plain")
    factor = ScoringService.get_model()["factor"]
    rows = flask.request.data.decode("utf-8").split()
    return flask.Response("\n".join(str(float(row) * factor) for row in rows), mimetype="text/csv")


@app.route("/models/<name>", methods=["GET", "DELETE"])
def more(name):
    return {"name": name, "loaded": ScoringService.model is not None, "method": flask.request.method}
