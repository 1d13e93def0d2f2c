"""A Flask application over our codecs, as one would write it."""

import joblib
from flask import Flask, Response, request

from mlberth_serve.codecs import CODECS
from mlberth_serve.media_types import parse_content_type


def make_app(folder):
    app = Flask(__name__)
    model = joblib.load(f"{folder}/model.joblib")

    @app.get("/ping")
    def ping():
        return ""

    @app.post("/invocations")
    def invocations():
        media_type = parse_content_type(request.content_type)
        accept = request.accept_mimetypes.best_match(list(CODECS), "application/json")
        rows = CODECS[media_type.name].decode(request.get_data(), media_type).array
        return Response(CODECS[accept].encode(model.predict(rows)), content_type=accept)

    return app
