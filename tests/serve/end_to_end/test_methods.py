"""Methods that a path does not take."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.serve.running import Server
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = "def model_fn(model_dir):\n    return 1\n\n\ndef predict_fn(data, model):\n    return data\n"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
TAKES = {
    "/": {"GET", "HEAD", "OPTIONS"},
    "/ping": {"GET", "HEAD"},
    "/invocations": {"POST"},
    "/v1/chat/completions": {"POST"},
    "/v1/completions": {"POST"},
    "/execution-parameters": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
}
"""The methods of every path that is served."""
SESSIONS = "/invocations-bidirectional-stream"


@pytest.fixture(scope="module")
def server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a handler that returns what it is sent."""
    folder = tmp_path_factory.mktemp("methods")
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    with Server(folder, APPLICATION, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        wait_until(lambda: server.request("GET", "/metrics").status == 200, timeout=60)
        yield server


@pytest.mark.parametrize("method", [method for method in METHODS if method != "GET"])
def test_sessions_are_opened_by_get_alone(server: Server, method: str) -> None:
    """Whatever else is asked there is 405, too."""
    answer = server.request(method, SESSIONS)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", TAKES)
def test_path_takes_its_methods_alone(server: Server, path: str) -> None:
    """What a path does not take is 405, and Allow names what it does take."""
    for method in METHODS:
        answer = server.request(method, path, b"[1]" if method == "POST" else None)
        if method in TAKES[path]:
            assert answer.status == 200, method
        else:
            assert answer.status == 405, method
            assert set(answer.headers["Allow"].split(", ")) == TAKES[path], method
            assert method == "HEAD" or answer.error["code"] == "method_not_allowed"


def test_root_lists_the_routes(server: Server) -> None:
    """A browser that opens the address is told what is here; each GET route of the list answers."""
    answer = server.request("GET", "/?x=1")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert len(answer.headers["X-Request-Id"]) == 32
    routes = json.loads(answer.body)["routes"]
    optional = {SESSIONS, "/adapters", "/adapters/{name}"}
    assert {path for route in routes for path in route.split()[1:]} == TAKES.keys() - {"/"} | optional
    for route in routes:
        method, path = route.split()
        status = 501 if path in optional else 200  # the handler has no function for it
        assert server.request(method, path, b"[1]" if method == "POST" else None).status == status
    assert server.request("GET", "/routes.json").status == 404
    assert server.request("GET", "/-/routes").status == 404


@pytest.mark.parametrize("path", [path for path in TAKES if "HEAD" in TAKES[path]])
def test_head_is_what_get_has_above_its_body(server: Server, path: str) -> None:
    """HEAD answers with the status and the headers of GET, and without a body."""
    head, get = server.request("HEAD", path), server.request("GET", path)
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_other_paths_are_not_there_for_any_method(server: Server, method: str) -> None:
    """A path that is not served is 404, whatever is asked of it."""
    assert server.request(method, "/nothing").status == 404
