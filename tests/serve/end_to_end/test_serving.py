"""The whole way: nginx, gunicorn, the application, a real model and the answer."""

from __future__ import annotations

import json
import socket
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
def model_fn(model_dir):
    return {factor}


def predict_fn(data, model):
    return data * model
"""


def write_code(folder: Path, factor: str) -> Path:
    """Write a handler whose model is a number."""
    folder.mkdir(parents=True)
    (folder / "inference.py").write_text(HANDLER.format(factor=factor))
    return folder


def predict_two(server: Server) -> str:
    """Return the answer to 1,2 as CSV."""
    answer = server.request(
        "POST", "/invocations", b"1,2", {"Content-Type": "text/csv", "Accept": "text/csv"}
    )
    assert answer.status == 200, server.text
    return answer.body.decode().strip()


def test_scikit_learn_model_without_code(tmp_path: Path, front: str) -> None:
    """A saved estimator answers CSV with CSV, on both ways in."""
    joblib = pytest.importorskip("joblib")
    linear_model = pytest.importorskip("sklearn.linear_model")
    (tmp_path / "ml/model").mkdir(parents=True)
    model = linear_model.LinearRegression().fit([[0, 0], [1, 0], [0, 1]], [0, 2, 3])
    joblib.dump(model, tmp_path / "ml/model/model.joblib")
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        assert float(predict_two(server)) == pytest.approx(8)
        assert server.request("GET", "/execution-parameters").status == 200
        answer = server.request("POST", "/invocations", b"1,2", {"Content-Type": "text/nonsense"})
        assert (answer.status, answer.headers["X-Request-Id"]) == (415, answer.error["request_id"])
        assert server.stop() == 0


def test_handler_that_fails_to_load(tmp_path: Path, front: str) -> None:
    """The JSON line names file, line, function and exception of the user's code."""
    write_code(tmp_path / "ml/model/code", "1 / 0")
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front, SAGEMAKER_LOG_FORMAT="json") as server:
        assert server.process.wait(20) == 65
        cause = server.failure["cause"]
        assert (cause["file"], cause["line"], cause["function"]) == ("inference.py", 3, "model_fn")
        assert "ZeroDivisionError" in cause["exception"]
        assert "mlberth_serve/" not in server.text


def test_empty_model_folder(tmp_path: Path) -> None:
    """No model and no code is told as such."""
    (tmp_path / "ml/model").mkdir(parents=True)
    with Server(tmp_path, APPLICATION, SAGEMAKER_LOG_FORMAT="json") as server:
        assert server.process.wait(20) == 65
        assert f"the model folder {tmp_path}/ml/model: found nothing in it" in server.failure["message"]


def test_code_from_an_archive(tmp_path: Path) -> None:
    """SAGEMAKER_SUBMIT_DIRECTORY may be a .tar.gz: it is unpacked into the private folder, and used there."""
    (tmp_path / "ml/model").mkdir(parents=True)
    archive = tmp_path / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(write_code(tmp_path / "source", "10") / "inference.py", "inference.py")
    with Server(tmp_path, APPLICATION, SAGEMAKER_SUBMIT_DIRECTORY=str(archive)) as server:
        server.wait_ready()
        assert predict_two(server) == "10.0,20.0"
        assert server.stop() == 0
    assert list(server.temporary.iterdir()) == []


def test_archive_that_cannot_be_unpacked(tmp_path: Path) -> None:
    """The exit code is the contract's, with one JSON line."""
    (tmp_path / "code.tar.gz").write_bytes(b"\x1f\x8b nonsense")
    variables = {"SAGEMAKER_SUBMIT_DIRECTORY": str(tmp_path / "code.tar.gz")}
    with Server(tmp_path, APPLICATION, SAGEMAKER_LOG_FORMAT="json", **variables) as server:
        assert server.process.wait(20) == 78
        assert server.failure["exit_code"] == 78
        assert "Traceback" not in server.text


def make_package(folder: Path) -> None:
    """Make a wheel of one module, `factor`, with a number in it."""
    info = "factor-1.0.dist-info"
    with zipfile.ZipFile(folder / "factor-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("factor.py", "VALUE = 100\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: factor\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_requirements_are_installed_before_the_load(tmp_path: Path) -> None:
    """What requirements.txt asks for is there when the handler is imported, and pip ran once."""
    code = write_code(tmp_path / "ml/model/code", "__import__('factor').VALUE")
    make_package(code)
    (code / "requirements.txt").write_text("./factor-1.0-py3-none-any.whl\n")
    target = tmp_path / "installed"
    variables = {"PIP_TARGET": str(target), "PIP_NO_INDEX": "1", "PYTHONPATH": str(target)}
    with Server(tmp_path, APPLICATION, **variables) as server:
        server.wait_ready()
        assert predict_two(server) == "100.0,200.0"
        assert server.text.count("Successfully installed") == 1


def test_requirement_that_cannot_be_installed(tmp_path: Path) -> None:
    """The exit code is 69, and the JSON line has pip's own words."""
    code = write_code(tmp_path / "ml/model/code", "1")
    (code / "requirements.txt").write_text("no-such-package-at-all\n")
    with Server(tmp_path, APPLICATION, PIP_NO_INDEX="1", SAGEMAKER_LOG_FORMAT="json") as server:
        assert server.process.wait(60) == 69
        assert "no-such-package-at-all" in server.failure["message"]


def test_stop_while_pip_runs(tmp_path: Path) -> None:
    """/ping says loading while pip is at work, and a stop ends pip."""
    require_nginx()
    code = write_code(tmp_path / "ml/model/code", "1")
    (code / "requirements.txt").write_text("some-package\n")
    with socket.create_server(("127.0.0.1", 0)) as index:  # an index that never answers
        index.settimeout(30)
        variables = {"PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/", "NO_PROXY": "127.0.0.1"}
        with Server(tmp_path, APPLICATION, **variables) as server:
            pip, _ = index.accept()
            assert server.ping() == 503
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10
            pip.settimeout(10)
            while pip.recv(4096):  # to the end of the connection: pip is gone
                pass
            pip.close()


def test_two_requests_have_their_own_answers(tmp_path: Path) -> None:
    """JSON in, JSON out."""
    write_code(tmp_path / "ml/model/code", "2")
    with Server(tmp_path, APPLICATION) as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"[1, 2]", {"Content-Type": "application/json"})
        assert json.loads(answer.body) == [2, 4]
