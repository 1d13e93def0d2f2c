"""Places where handlers, applications and models lie, through the whole server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx
from tests.support import wait_until

HANDLER = """
NAME = "mine"
def model_fn(model_dir):
    return NAME
def predict_fn(data, model):
    return [model]
"""
APPLICATION = "mlberth_serve.wsgi:application"
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"mine"]
def create_app():
    return app
async def asgi(scope, receive, send): ...
"""


def put(path: Path, text: str = HANDLER) -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def answer(folder: Path, **variables: str) -> bytes:
    """Serve, and return the answer to one request."""
    (folder / "ml/model").mkdir(parents=True, exist_ok=True)
    with Server(folder, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1", **variables) as server:
        server.wait_ready()
        return server.request("POST", "/invocations", b"[1]", {"Content-Type": "application/json"}).body


@pytest.fixture(autouse=True)
def _nginx() -> None:
    require_nginx()


@pytest.mark.parametrize(
    ("where", "variables"),
    [
        ("app/own.py", {"SAGEMAKER_PROGRAM": "{folder}/app/own.py"}),
        ("ml/model/inference.py", {"SAGEMAKER_PROGRAM": "{folder}/ml/model/inference.py"}),
        ("ml/model/inference.py", {"SAGEMAKER_PROGRAM": "inference.py"}),
        ("own.py", {"SAGEMAKER_PROGRAM": "own.py"}),  # the folder that the server starts in
        (
            "a b/own.py",
            {"SAGEMAKER_SUBMIT_DIRECTORY": "file://{folder}/a%20b", "SAGEMAKER_PROGRAM": "own.py"},
        ),
        ("ml/code", {}),
        ("ml/code", {"SAGEMAKER_PROGRAM": "own.py"}),
    ],
)
def test_handler_is_found(tmp_path: Path, where: str, variables: dict[str, str]) -> None:
    """By an absolute path, beside the model, in the working folder, by file://, as a file named code."""
    put(tmp_path / where)
    named = {name: value.format(folder=tmp_path) for name, value in variables.items()}
    assert answer(tmp_path, **named) == b'["mine"]'


def test_handler_that_nobody_names_is_not_taken_from_elsewhere(tmp_path: Path) -> None:
    """The working folder is no code folder: what lies there by chance is not served."""
    put(tmp_path / "inference.py")
    (tmp_path / "ml/model").mkdir(parents=True)
    with Server(tmp_path, APPLICATION) as server:
        assert server.process.wait(60) == 65


def test_training_program_with_an_absolute_path_is_no_handler(tmp_path: Path) -> None:
    """An image that does both has its training program in the variable."""
    put(tmp_path / "app/train.py", "raise SystemExit('trained again')")
    put(tmp_path / "ml/model/code/inference.py")
    assert answer(tmp_path, SAGEMAKER_PROGRAM=str(tmp_path / "app/train.py")) == b'["mine"]'


@pytest.mark.parametrize("attribute", ["app", "create_app", "create_app()"])
def test_application_of_the_working_folder(tmp_path: Path, attribute: str) -> None:
    """`WORKDIR /opt/program` is where a bring-your-own container has its application, or what makes one."""
    put(tmp_path / "predictor.py", WSGI)
    assert answer(tmp_path, SAGEMAKER_SERVING_MODULE=f"predictor:{attribute}") == b"mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("predictor:asgi", "an ASGI application"),
        ("predictor:nothing", "nothing to call by the name 'nothing' in predictor"),
        ("elsewhere:app", "SAGEMAKER_SUBMIT_DIRECTORY or in PYTHONPATH"),
    ],
)
def test_what_is_no_application_ends_the_start(tmp_path: Path, name: str, words: str) -> None:
    """With what it is, and what to do."""
    put(tmp_path / "predictor.py", WSGI)
    (tmp_path / "ml/model").mkdir(parents=True)
    with Server(tmp_path, APPLICATION, SAGEMAKER_SERVING_MODULE=name) as server:
        assert server.process.wait(60) == 78
        assert words in server.text


def test_library_folder_of_the_sdk(tmp_path: Path) -> None:
    """What it copies below `code/lib` can be imported; its requirements are installed."""
    put(tmp_path / "ml/model/code/lib/mylib/__init__.py", "NAME = 'from lib'")
    handler = HANDLER.replace('NAME = "mine"', "from mylib import NAME")
    put(tmp_path / "ml/model/code/inference.py", handler)
    assert answer(tmp_path) == b'["from lib"]'
    put(tmp_path / "ml/model/code/lib/requirements.txt", "no-such-package-mlberth")
    with Server(tmp_path, APPLICATION, PIP_NO_INDEX="1") as server:
        assert server.process.wait(60) == 69
        assert "-r lib/requirements.txt" in server.text


def test_variables_of_training_programs(tmp_path: Path) -> None:
    """A handler that is also a training program reads SM_MODEL_DIR; what the user sets stays."""
    names = ["SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR", "SM_HOSTS", "SM_NUM_GPUS", "SM_CURRENT_HOST"]
    seen = f"[model, *(os.environ[name] for name in {names})]"
    handler = HANDLER.replace("[model]", seen).replace("NAME\n", "model_dir\n")
    put(tmp_path / "ml/model/code/inference.py", f"import os\n{handler}")
    model, *seen = json.loads(answer(tmp_path, SM_CURRENT_HOST="me"))
    host = os.uname().nodename
    assert seen == [model, str(tmp_path / "ml/output/data"), json.dumps([host]), "0", "me"]


@pytest.mark.parametrize("name", ["model.tar.gz", "model.zip"])
def test_packed_model_says_how_to_unpack_it(tmp_path: Path, name: str) -> None:
    """The platform unpacks what lies in S3; here nobody has."""
    model = tmp_path / "ml/model"
    model.mkdir(parents=True)
    with tarfile.open(model / name, "w:gz") as tar:
        tar.add(__file__, "model.joblib")
    with Server(tmp_path, APPLICATION) as server:
        assert server.process.wait(60) == 65
        assert f"{name}, which is packed" in server.text
        assert "unzip model.zip" in server.text or "tar -xf model.tar.gz" in server.text


def test_project_file_that_cannot_be_built_is_a_warning(tmp_path: Path) -> None:
    """A handler needs no package of its own code."""
    put(tmp_path / "ml/model/code/inference.py")
    put(tmp_path / "ml/model/code/pyproject.toml", '[build-system]\nrequires = ["no-such-build"]\n')
    assert answer(tmp_path, PIP_NO_INDEX="1") == b'["mine"]'
    assert "its code runs from the folder as it is" in (tmp_path / "log").read_text()


SERVICE = """
class Service:
    def initialize(self, context): pass
    def handle(self, data, context): return ["mine"]
"""
SERVE = """#!{python}
from sagemaker_inference import model_server
model_server.start_model_server(handler_service={service!r})
"""


@pytest.mark.parametrize("service", ["{folder}/home/service.py:handle", "service"])
def test_serve_of_the_image_starts_its_model_server(tmp_path: Path, service: str) -> None:
    """A `serve` on PATH that starts multi-model-server starts us instead, with its custom service."""
    put(tmp_path / "home/service.py", SERVICE)
    (tmp_path / "ml/model").mkdir(parents=True)
    named = service.format(folder=tmp_path)
    own = put(tmp_path / "bin/serve", SERVE.format(python=sys.executable, service=named))
    own.chmod(0o755)
    server = Server(tmp_path, APPLICATION)
    environ = os.environ | {
        "SAGEMAKER_BASE_DIR": str(tmp_path / "ml"),
        "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(server.port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "PYTHONPATH": str(tmp_path / "home"),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
    }
    argv = [sys.executable, "-m", "mlberth", "run", "serve"]
    with subprocess.Popen(argv, env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: server.ping() == 200 or process.poll() is not None, timeout=60)
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert server.request("POST", "/invocations", b"[1]").body == b"mine"
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0
