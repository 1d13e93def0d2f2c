"""The OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serve.conftest import LoadProject
from tests.serve.running import Server
from werkzeug.test import Client

from mlberth_serve import errors
from mlberth_serve.app.application import Application
from mlberth_serve.app.openapi import STATUSES, describe
from mlberth_serve.shared.route_list import SESSIONS


def document(application: Application) -> Any:
    """Return the document of an application."""
    answer = Client(application).get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


def references(node: Any) -> Iterator[str]:
    """Yield every $ref below a node."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)


def test_every_route_is_described(load_project: LoadProject) -> None:
    """Each path that is served is there with its methods, and each reference leads somewhere."""
    application = load_project("predict_only")
    described = document(application)
    assert described["openapi"] == "3.1.0"
    routes: dict[str, set[str]] = {}
    for rule in application._routes.url_map.iter_rules():
        methods = {method.lower() for method in rule.methods or () if method != "HEAD"}
        path = rule.rule.replace("<", "{").replace(">", "}")
        routes[path] = routes.get(path, set()) | methods
    full = describe((), (), has_stream=True, has_adapters=True)["paths"]
    assert {path: set(methods) for path, methods in full.items()} == routes
    for path in (SESSIONS, "/adapters", "/adapters/{name}"):  # this handler has no function for them
        del routes[path]
    assert {path: set(methods) for path, methods in described["paths"].items()} == routes
    for reference in references(described):
        node = described
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_headers_of_sessions_and_adapters_are_described_where_they_mean_something() -> None:
    """A server that keeps sessions takes an id and gives one; one with adapters takes a name."""

    def headers(**has: Any) -> tuple[set[str], set[str]]:
        post = describe((), (), **has)["paths"]["/invocations"]["post"]
        return {one["name"] for one in post["parameters"]}, set(post["responses"]["200"]["headers"])

    taken, given = headers()
    ours = "X-Amzn-SageMaker-"
    both = (taken | {f"{ours}Session-Id"}, given | {f"{ours}New-Session-Id", f"{ours}Closed-Session-Id"})
    assert headers(has_sessions=True) == both
    assert headers(has_adapters=True) == (taken | {f"{ours}Adapter-Identifier"}, given)


def test_every_error_of_ours_is_described() -> None:
    """A new status has to be given words."""
    made = [
        errors.BadRequestError(""),
        errors.NotAcceptableError(""),
        errors.PayloadTooLargeError(1),
        errors.UnsupportedTypeError(""),
        errors.NotLoadedError(),
        errors.HandlerError(""),
        errors.OutOfMemoryError(""),
        errors.ResponseHeaderError(""),
        errors.InternalError(),
    ]
    kinds = {*errors.RequestError.__subclasses__(), *errors.HandlerError.__subclasses__()}
    assert {type(error) for error in made} >= {kind for kind in kinds if kind.__module__ == errors.__name__}
    assert {error.status for error in made} <= set(STATUSES)


@pytest.mark.parametrize(
    ("project", "reads", "writes"), [("predict_only", "text/csv", "text/csv"), ("transform", "*/*", "*/*")]
)
def test_bodies_are_those_of_the_handler(
    load_project: LoadProject, project: str, reads: str, writes: str
) -> None:
    """Where the handler reads and writes bodies itself, any type may do."""
    invocations = document(load_project(project))["paths"]["/invocations"]["post"]
    assert reads in invocations["requestBody"]["content"]
    assert writes in invocations["responses"]["200"]["content"]
    assert ("*/*" in invocations["requestBody"]["content"]) == (reads == "*/*")


def test_it_is_served(tmp_path: Path, front: str) -> None:
    """The document is at its own path for GET, and at `/` for OPTIONS as model servers have it."""
    code = tmp_path / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(
        "def model_fn(model_dir): pass\ndef transform_fn(model, data, content_type, accept): return data\n"
    )
    variables = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_USE_NGINX": front}
    with Server(tmp_path, "mlberth_serve.wsgi:application", **variables) as server:
        answer = server.wait_ready().request("GET", "/openapi.json")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.headers["X-Request-Id"]
        assert answer.headers["Last-Modified"] is None
        assert server.request("OPTIONS", "/").body == answer.body
        assert server.request("GET", "/openapi.jsonx").status == 404
        assert set(server.request("POST", "/openapi.json").headers["Allow"].split(", ")) == {"GET", "HEAD"}
