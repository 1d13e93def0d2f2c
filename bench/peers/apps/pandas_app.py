"""A Flask application that reads and writes CSV with pandas."""

import io

import joblib
import pandas as pd
from flask import Flask, Response, request


def make_app(folder):
    app = Flask(__name__)
    loaded = {}

    def model():
        if "model" not in loaded:
            loaded["model"] = joblib.load(f"{folder}/model.joblib")
        return loaded["model"]

    @app.get("/ping")
    def ping():
        return Response("\n", status=200 if model() else 404, mimetype="application/json")

    @app.post("/invocations")
    def invocations():
        if request.content_type != "text/csv":
            return Response("Only CSV is read here.", status=415, mimetype="text/plain")
        frame = pd.read_csv(io.StringIO(request.data.decode("utf-8")), header=None)
        out = io.StringIO()
        pd.DataFrame({"results": model().predict(frame.values)}).to_csv(out, header=False, index=False)
        return Response(out.getvalue(), status=200, mimetype="text/csv")

    return app
