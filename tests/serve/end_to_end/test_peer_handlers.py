"""Handlers written for other containers, through the whole server, unchanged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from tests.serve.running import PROJECTS, Server, require_nginx

from mlberth.compat import PACKAGES

APPLICATION = "mlberth_serve.wsgi:application"


@pytest.fixture
def serve_project(tmp_path: Path) -> Callable[[str], Server]:
    """Return a function that lays out a project in a model folder and returns a server over it."""

    def serve(project: str) -> Server:
        require_nginx()
        if any(PathFinder.find_spec(name) for name in PACKAGES):
            pytest.skip("the real package is installed")
        shutil.copytree(PROJECTS / project, tmp_path / "ml/model")
        return Server(tmp_path, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1")

    return serve


def test_scikit_learn_handler(serve_project: Callable[[str], Server], tmp_path: Path) -> None:
    """A featurizer answers with the worker's Response, as JSON for the next container and as CSV."""
    joblib = pytest.importorskip("joblib")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    server = serve_project("peer_sklearn")
    scaler = preprocessing.StandardScaler().fit([[0, 0], [2, 4]])
    joblib.dump(scaler, tmp_path / "ml/model/model.joblib")
    with server:
        server.wait_ready()
        row = {"Content-Type": "text/csv; charset=utf-8"}
        answer = server.request("POST", "/invocations", b"2,4\n", row)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert json.loads(answer.body) == {"instances": [{"features": [1.0, 1.0]}]}
        answer = server.request("POST", "/invocations", b"2,4\n", row | {"Accept": "text/csv"})
        assert answer.body == b"1.0,1.0\n"
        answer = server.request("POST", "/invocations", b"[1]", {"Content-Type": "application/json"})
        assert (answer.status, answer.error["code"]) == (500, "handler_failed")


def test_xgboost_handler(serve_project: Callable[[str], Server], tmp_path: Path) -> None:
    """Script mode reads LIBSVM, CSV and JSON into a DMatrix by the container's own encoder."""
    xgboost = pytest.importorskip("xgboost")
    numpy = pytest.importorskip("numpy")
    server = serve_project("peer_xgboost")
    rows = numpy.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, label=rows[:, 1]), num_boost_round=3)
    booster.save_model(tmp_path / "ml/model/xgboost-model.json")
    with server:
        server.wait_ready()
        bodies = {
            "text/libsvm": b"0 0:1 1:1\n",
            "text/csv": b"1,1\n",
            "application/json": b'{"instances": [[1, 1]]}',
        }
        expected = float(booster.predict(xgboost.DMatrix(rows[2:3]))[0])
        for content_type, body in bodies.items():
            headers = {"Content-Type": content_type, "Accept": "text/csv"}
            answer = server.request("POST", "/invocations", body, headers)
            assert answer.status == 200, server.text
            prediction, *contributions = map(float, answer.body.split(b","))
            assert prediction == pytest.approx(expected)
            assert sum(contributions) == pytest.approx(expected, abs=1e-5)
        answer = server.request("POST", "/invocations", b"x", {"Content-Type": "text/x-unknown"})
        assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")


def test_pytorch_handler(serve_project: Callable[[str], Server], tmp_path: Path) -> None:
    """A handler with the model server's context reads headers, answers with some, and chooses its errors."""
    server = serve_project("peer_pytorch")
    (tmp_path / "ml/model/model.json").write_text('{"factor": 10}')
    with server:
        server.wait_ready()
        headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "trace=1"}
        answer = server.request("POST", "/invocations", b"1,2.5,", headers | {"Accept": "text/csv"})
        assert answer.status == 200, server.text
        assert answer.body == b"10.0\n25.0\nnan\n"
        assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1"
        answer = server.request("POST", "/invocations", b"1,2,3,4", headers)
        assert (answer.status, answer.error["code"]) == (422, "unprocessable_entity")
        assert answer.error["message"] == "at most three values"
        assert "Traceback" not in server.text


def test_custom_service(serve_project: Callable[[str], Server]) -> None:
    """A model server's service is loaded once, gets a batch of one, and its one answer is sent."""
    with serve_project("peer_service") as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"1,2", {"Content-Type": "text/csv"})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), server.text
        assert json.loads(answer.body) == [10, 20]
        body = {"Content-Type": "application/json"}
        answer = server.request("POST", "/invocations", b'{"instances": [3]}', body)
        assert json.loads(answer.body) == [30]
        assert server.request("POST", "/invocations", b"{", body).error["code"] == "bad_request"
        answer = server.request("POST", "/invocations", b"1", {"Content-Type": "text/csv", "X-Fail": "1"})
        assert (answer.status, answer.body) == (400, b"no")


FRAMEWORK = """
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker

app = None


def main(environ, start_response):
    global app
    if app is None:
        server = env.ServingEnv()
        user = modules.import_module(server.module_dir, server.module_name)
        made = transformer.Transformer(model_fn=user.model_fn, predict_fn=user.predict_fn)
        app = worker.Worker(made.transform, initialize_fn=made.initialize, module_name=server.module_name)
    return app(environ, start_response)
"""
HANDLER = """
def model_fn(model_dir):
    return 10


def predict_fn(data, model):
    return data * model
"""


def test_serving_module_of_a_framework(tmp_path: Path) -> None:
    """A container's own serving module, made of sagemaker-containers' transformer and worker, is served."""
    require_nginx()
    code = tmp_path / "ml/code"
    code.mkdir(parents=True)
    (code / "container.py").write_text(FRAMEWORK)
    (code / "mine.py").write_text(HANDLER)
    variables = {"SAGEMAKER_SERVING_MODULE": "container:main", "SAGEMAKER_PROGRAM": "mine.py"}
    with Server(tmp_path, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1", **variables) as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"[1, 2]", {"Content-Type": "application/json"})
        assert (answer.status, json.loads(answer.body)) == (200, [10, 20]), server.text
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        assert server.request("POST", "/invocations", b"1,2", headers).body == b"10\n20\n"
        assert server.request("POST", "/invocations", b"x", {"Content-Type": "image/png"}).status == 415
        headers = {"Content-Type": "application/json", "Accept": "image/png"}
        assert server.request("POST", "/invocations", b"[1]", headers).status == 406


def test_prediction_exception(tmp_path: Path) -> None:
    """multi-model-server's error answers with its status and message."""
    require_nginx()
    code = tmp_path / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(
        "from mms.service import PredictionException\n"
        "def model_fn(d): return 1\n"
        "def predict_fn(data, model): raise PredictionException('no such city', 422)\n"
    )
    with Server(tmp_path, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"[1]", {"Content-Type": "application/json"})
        assert (answer.status, answer.error["message"]) == (422, "no such city")


def test_xgboost_handler_service(tmp_path: Path) -> None:
    """The XGBoost container's own service, with a module that only loads the model."""
    xgboost = pytest.importorskip("xgboost")
    numpy = pytest.importorskip("numpy")
    require_nginx()
    code = tmp_path / "ml/model/code"
    code.mkdir(parents=True)
    booster = xgboost.train(
        {"nthread": 1}, xgboost.DMatrix(numpy.array([[0.0], [1.0]]), label=numpy.array([0.0, 1.0])), 2
    )
    booster.save_model(tmp_path / "ml/model/xgboost-model.json")
    (code / "load.py").write_text(
        "import os, xgboost\n"
        "def model_fn(folder):\n"
        "    return xgboost.Booster(model_file=os.path.join(folder, 'xgboost-model.json'))\n"
    )
    (code / "inference.py").write_text(
        "from sagemaker_xgboost_container.handler_service import HandlerService\n"
        "from load import model_fn as load\n"
        "Default = HandlerService.DefaultXGBoostUserModuleInferenceHandler\n"
        "class Mine(HandlerService):\n"
        "    class DefaultXGBoostUserModuleInferenceHandler(Default):\n"
        "        def default_model_fn(self, model_dir): return load(model_dir)\n"
    )
    variables = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_PROGRAM": "inference.py"}
    with Server(tmp_path, APPLICATION, **variables) as server:
        server.wait_ready()
        headers = {"Content-Type": "text/csv", "Accept": "application/json"}
        answer = server.request("POST", "/invocations", b"1", headers)
        assert answer.status == 200, server.text
        assert len(json.loads(answer.body)) == 1
