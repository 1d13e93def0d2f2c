"""The headers of a handler's answer, and of an application's: on the wire, with nginx and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serve.running import Answer, Server
from tests.support import wait_until

from mlberth_serve.handler.context import Context
from mlberth_serve.handler.response import Response, to_body
from mlberth_serve.handler.response_headers import check_status, is_reserved, passed_on

APPLICATION = "mlberth_serve.wsgi:application"
STEERING = [
    "X-Accel-Redirect",
    "x-accel-buffering",
    "X-ACCEL-LIMIT-RATE",
    "X-Accel-Expires",
    "X-Accel-Charset",
]
STEERING += ["X-Accel-Anything", "X-Mlberth-Trace", "x-mlberth-retry"]
FRAMING = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Trailers",
    "Upgrade",
]
FRAMING += ["Content-Length", "content-type", "Server", "Date", "X-REQUEST-ID", "Proxy-Authenticate"]
HANDLER = """
import json

import flask

from mlberth_serve.handler.response import Response


def model_fn(model_dir):
    return 1


def transform_fn(model, body, content_type, accept, context):
    asked = json.loads(body)
    pairs = [tuple(pair) for pair in asked["headers"]]
    if asked["how"] == "context":
        for pair in pairs:
            context.set_response_header(*pair)
        return "done", "text/plain"
    if asked["how"] == "flask":
        response = flask.Response("done", asked.get("status", 200), content_type="text/plain")
        for pair in pairs:
            response.headers.add(*pair)
        return response
    headers = dict(pairs) if asked["how"] == "map" else pairs
    return Response("done", asked.get("status", 200), "text/plain", headers)
"""
GUEST = """
import json


def app(environ, start_response):
    if environ["PATH_INFO"] == "/ping":
        start_response("200 OK", [])
        return []
    asked = json.loads(environ["wsgi.input"].read())
    if asked.get("late"):
        start_response("200 OK", [("Content-Length", "3"), ("X-Early", "1")])
        raise ValueError("too late")
    if "wsgi.early_hints" in environ:
        environ["wsgi.early_hints"]([("X-Accel-Redirect", "/metrics")])
    start_response(asked.get("status", "200 OK"), [tuple(pair) for pair in asked["headers"]])
    return [b"done"]
"""


def serving(folder: Path, front: str, name: str, source: str, **variables: str) -> Iterator[Server]:
    """Yield a server over a program, which is ready."""
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / f"ml/model/code/{name}.py").write_text(source)
    with Server(folder, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables) as server:
        server.wait_ready()
        wait_until(lambda: server.request("GET", "/metrics").status == 200, message=server.text)
        yield server


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory, front: str) -> Iterator[Server]:
    """Yield a server whose handler answers with the headers that it is asked for."""
    yield from serving(tmp_path_factory.mktemp("handler"), front, "inference", HANDLER)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, front: str) -> Iterator[Server]:
    """Yield a server whose application does."""
    folder = tmp_path_factory.mktemp("guest")
    yield from serving(folder, front, "guest", GUEST, SAGEMAKER_SERVING_MODULE="guest:app")


def ask(server: Server, headers: list[tuple[str, str]], **more: Any) -> Answer:
    """Ask for an answer with headers."""
    body = json.dumps({"headers": headers, **more}).encode()
    return server.request("POST", "/invocations", body, {"Content-Type": "application/json"})


@pytest.mark.parametrize("name", STEERING + FRAMING)
@pytest.mark.parametrize("how", ["context", "list", "map", "flask"])
def test_handler_sets_nothing_of_the_servers(handler: Server, name: str, how: str) -> None:
    """A reserved header is refused, and of a web framework's response left out."""
    answer = ask(handler, [(name, "/metrics")], how=how)
    assert b"mlberth_" not in answer.body.replace(b"mlberth_serve", b"")
    if how == "flask":
        assert (answer.status, answer.body) == (200, b"done")
        assert len(answer.headers.get_all(name, [])) <= 1
        assert answer.headers.get(name) != "/metrics"
    else:
        assert (answer.status, answer.error["code"]) == (500, "handler_failed")


@pytest.mark.parametrize("name", STEERING + FRAMING)
def test_application_sets_nothing_of_the_servers(guest: Server, name: str) -> None:
    """What a WSGI application sends of such headers is left out."""
    answer = ask(guest, [(name, "/metrics"), (name.lower(), "no"), ("X-Own", "1")])
    assert (answer.status, answer.body) == (200, b"done")
    assert answer.headers["X-Own"] == "1"
    found = answer.headers.get_all(name, [])
    assert len(found) <= 1
    assert "/metrics" not in found or name == "content-type"


@pytest.mark.parametrize("how", ["context", "list", "flask"])
def test_several_cookies_stay_several(handler: Server, how: str) -> None:
    """A name that may come several times does, whatever its case."""
    answer = ask(handler, [("Set-Cookie", "a=1"), ("set-cookie", "b=2")], how=how)
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_application_keeps_its_cookies(guest: Server) -> None:
    """So it is for an application."""
    answer = ask(guest, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "4")])
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("how", ["context", "map"])
def test_names_are_the_same_in_any_case(handler: Server, how: str) -> None:
    """What is set again in another case replaces what was there."""
    answer = ask(handler, [("X-A", "1"), ("x-a", "2"), ("X-B", "3")], how=how)
    assert (answer.headers.get_all("X-A"), answer.headers.get_all("X-B")) == (["2"], ["3"])


@pytest.mark.parametrize(
    "status",
    [
        *("100 Continue", "101 Switching Protocols", "103 Early Hints", "600 x", "x", "", "99 x", "-200 x"),
        *("200 OK\r\nX-Accel-Redirect: /metrics", "200 \x00"),
    ],
)
def test_application_answers_with_a_status(guest: Server, status: str) -> None:
    """What is no status of a whole answer is a 500, and opens no tunnel."""
    answer = ask(guest, [("Connection", "upgrade"), ("Upgrade", "websocket")], status=status)
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert ask(guest, [], status="200 \xe9").status == 500


@pytest.mark.parametrize(
    "header",
    [
        *(("X", "a\r\nX-Accel-Redirect: /metrics"), ("X", "\x00"), ("X", "a\nb"), ("X", "\x7f")),
        *(("X Y", "1"), ("", "1"), ("X:", "1"), ("X\r\nY", "1"), ("X", "\u20ac"), ("É", "1")),
    ],
)
def test_broken_headers_break_no_answer(handler: Server, guest: Server, header: tuple[str, str]) -> None:
    """What is no header is a 500 with one head."""
    for server, more in ((guest, {}), (handler, {"how": "context"}), (handler, {"how": "list"})):
        answer = ask(server, [("Content-Length", "99")] * (server is guest) + [header], **more)
        assert answer.status == 500
        assert "Y" not in answer.headers


def test_text_of_latin_1_is_an_applications(guest: Server, handler: Server) -> None:
    """WSGI's headers are Latin-1; a handler's are ASCII."""
    assert ask(guest, [("X-Name", "\xe9")]).headers["X-Name"] == "\xe9"
    assert ask(handler, [("X-Name", "\xe9")], how="context").status == 500


@pytest.mark.parametrize("lengths", [["4", "4"], ["4", "5"], ["-1"], ["+4"], ["4,4"], ["x"], ["1" * 30]])
def test_lengths_of_an_application(guest: Server, lengths: list[str]) -> None:
    """A length that is none, and several that differ, are left out, and the answer is whole."""
    body = json.dumps({"headers": [("Content-Length", length) for length in lengths]}).encode()
    answer = guest.request("POST", "/invocations", body)
    assert (answer.status, answer.body) == (200, b"done")


def test_error_takes_the_place_of_what_was_begun(guest: Server) -> None:
    """An application that fails after it has begun to answer leaves no header behind."""
    answer = ask(guest, [], late=True)
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert "X-Early" not in answer.headers
    assert len(answer.headers.get_all("Content-Length", [])) == 1


def test_maps_of_lists() -> None:
    """A map can have several values for a name; a response replaces what the context had."""
    context = Context(accept="text/csv")
    context.set_response_header("x-a", "0")
    to_body(Response(b"", headers={"Set-Cookie": ["a=1", "b=2"], "X-A": "1"}), context)
    assert context.response_headers == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-A", "1")]


def test_all_that_nginx_obeys_is_reserved() -> None:
    """The rules alone: every case, and what begins like them."""
    assert all(is_reserved(name) for name in STEERING + FRAMING)
    assert not any(
        is_reserved(name) for name in ["X-Accel", "Accel", "X-Own", "Vary", "Set-Cookie", "Location"]
    )
    assert passed_on([("Content-Type", "a/b"), ("content-type", "c/d")]) == [("Content-Type", "a/b")]
    assert check_status("204 ") == "204 "
