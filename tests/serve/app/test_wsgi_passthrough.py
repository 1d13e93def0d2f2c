"""WSGI applications of the user's in the place of ours."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.serve.conftest import PROJECTS
from tests.serve.raw import exchange
from tests.serve.running import Server, require_nginx
from werkzeug.test import Client

from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.app.wsgi_passthrough import WsgiPassthrough
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.load_errors import UserCodeError

APPLICATION = "mlberth_serve.wsgi:application"
MakeGuest = Callable[..., WsgiPassthrough]
FUNCTION = """
def main(environ, start_response):
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
SLOW = """
pings = [503, 503, 200]


def main(environ, start_response):
    start_response(f"{pings.pop(0)} Status", [])
    return []
"""


@pytest.fixture
def make_guest(model_dir: Path) -> MakeGuest:
    """Return a function that loads a module of a text under a name."""

    def make(
        text: str, module: str, path: str = "app.py", slept: list[float] | None = None
    ) -> WsgiPassthrough:
        file = model_dir / "code" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        environ = {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_SERVING_MODULE": module}
        guest = WsgiPassthrough(
            Settings.from_environ(environ), sleep=(slept if slept is not None else []).append
        )
        guest.load()
        return guest

    return make


@pytest.mark.parametrize("module", ["predictor:app", "wsgi:app"])
@pytest.mark.parametrize("variable", ["SAGEMAKER_SERVING_MODULE", "SAGEMAKER_SERVICE_MODULE"])
def test_bring_your_own_sample(tmp_path: Path, module: str, variable: str) -> None:
    """The sample's Flask application answers every path; its own nginx.conf and serve are not used."""
    require_nginx()
    shutil.copytree(PROJECTS / "bring_your_own", tmp_path / "ml/model")
    (tmp_path / "ml/model/model.pkl").write_bytes(pickle.dumps({"factor": 2}))
    with Server(tmp_path, APPLICATION, **{variable: module}) as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"1\n2.5\n", {"Content-Type": "text/csv"})
        assert (answer.status, answer.body) == (200, b"2.0\n5.0"), server.text
        assert server.request("POST", "/invocations", b"1").status == 415
        answer = server.request("DELETE", "/models/a%2Fb?x=1")
        assert answer.status == 404
        answer = server.request("DELETE", "/models/ab")
        assert json.loads(answer.body) == {"name": "ab", "loaded": True, "method": "DELETE"}
        assert server.stop() == 0


def test_ping_that_raises_ends_the_server(tmp_path: Path) -> None:
    """A model that the application cannot load in its /ping is told with file and line; exit code 65."""
    shutil.copytree(PROJECTS / "bring_your_own", tmp_path / "ml/model")
    with Server(
        tmp_path, APPLICATION, SAGEMAKER_SERVING_MODULE="predictor:app", SAGEMAKER_LOG_FORMAT="json"
    ) as server:
        assert server.process.wait(20) == 65
        assert "500 as its answer to GET /ping" in server.failure["message"]
        assert "model.pkl" in server.text


def test_function_in_a_package(make_guest: MakeGuest) -> None:
    """Any WSGI callable will do, in a package too."""
    guest = make_guest(FUNCTION, "pkg.serving:main", "pkg/serving.py")
    guest.warm_up()
    assert Client(guest).get("/any/path").text == "/any/path"


def test_application_that_needs_time(make_guest: MakeGuest) -> None:
    """503 means that it needs more time, and it is asked again."""
    slept: list[float] = []
    make_guest(SLOW, "app:main", slept=slept).warm_up()
    assert len(slept) == 2


@pytest.mark.parametrize("status", [404, 500, 302])
def test_other_answers_are_a_failed_load(make_guest: MakeGuest, status: int) -> None:
    """An application that does not answer its own /ping with 200 is never called ready."""
    guest = make_guest(SLOW.replace("[503, 503, 200]", f"[{status}]"), "app:main")
    with pytest.raises(ModelLoadError, match=f"app:main: found {status} as its answer"):
        guest.warm_up()


def test_failures_of_the_application(make_guest: MakeGuest) -> None:
    """What it raises at the start names its line; what it raises in a request is our 500."""
    guest = make_guest("def main(environ, start_response):\n    raise KeyError('secret')\n", "app:main")
    with pytest.raises(UserCodeError, match=r"app.py, line 2: GET /ping raised KeyError"):
        guest.warm_up()
    begun: list[Any] = []
    body = b"".join(guest({}, lambda *arguments: begun.append(arguments)))  # type: ignore[arg-type]
    ((status, headers, error),) = begun
    assert status == "500 Internal Server Error"
    assert dict(headers)["Content-Type"] == "application/json"
    assert error[0] is KeyError
    assert json.loads(body)["error"]["code"] == "internal"
    assert b"secret" not in body


def test_failure_of_the_import(make_guest: MakeGuest) -> None:
    """An import that fails is told like a handler's."""
    with pytest.raises(UserCodeError, match=r"app.py, line 1: its import raised ZeroDivisionError"):
        make_guest("1 / 0\n", "app:main")


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("app:missing", "nothing to call by the name 'missing' in app"),
        ("app:NUMBER", "nothing to call by the name 'NUMBER' in app"),
        ("nowhere.at_all:main", "no module 'nowhere.at_all'"),
        ("app", "'app'; expected package.module:attribute"),
        ("../app:main", "'../app:main'; expected package.module:attribute"),
    ],
)
def test_what_the_variable_names_must_be_there(make_guest: MakeGuest, module: str, found: str) -> None:
    """A module or attribute that is missing is the configuration's fault."""
    with pytest.raises(ContractError, match="SAGEMAKER_SERVING_MODULE") as caught:
        make_guest("NUMBER = 1\n", module)
    assert found in str(caught.value)


ECHO = """
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body))), ("x-request-id", "own")])
    return [body]
"""


def test_answer_has_the_request_id(make_guest: MakeGuest) -> None:
    """Once, whatever the application says of it: the one that our log and nginx's have."""
    answer = Client(make_guest(ECHO, "app:app")).post("/invocations", headers={"X-Request-Id": "a-1"})
    assert answer.headers.getlist("X-Request-Id") == ["a-1"]


def test_limit_of_the_body_holds_without_nginx(tmp_path: Path) -> None:
    """413 for a length over the limit and for chunks that add up to more; what is within arrives whole."""
    code = tmp_path / "ml/model/code"
    code.mkdir(parents=True)
    (code / "app.py").write_text(ECHO)
    variables = {
        "SAGEMAKER_SERVING_MODULE": "app:app",
        "SAGEMAKER_USE_NGINX": "false",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
    }
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n%X\r\n%b\r\n0\r\n\r\n"
    with Server(tmp_path, APPLICATION, **variables) as server:
        server.wait_ready()
        (long,) = exchange(server.port, head + b"Content-Length: 1048577\r\n\r\n", patience=1)
        (many,) = exchange(server.port, chunks % (1048577, b"x" * 1048577), patience=1)
        (few,) = exchange(server.port, chunks % (3, b"abc"), patience=1)
    assert (long.status, many.status) == (413, 413)
    assert long.error["code"] == many.error["code"] == "payload_too_large"
    assert (few.status, few.body) == (200, b"abc")
