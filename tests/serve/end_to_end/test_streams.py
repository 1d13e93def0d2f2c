"""Streamed answers, by threads and by nginx: how they begin, how they end, and who learns of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.serve.running import Server
from tests.serve.streaming import ASYNC, Streaming, asked
from tests.support import wait_until, within

TIMEOUT = 2


@pytest.fixture(scope="module", params=["", "1"], ids=["one-by-one", "concurrent"])
def server(
    request: pytest.FixtureRequest, front: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Streaming]:
    """Run two workers, behind nginx or not, whose streams hold their worker or do not."""
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MODEL_SERVER_TIMEOUT": str(TIMEOUT)}
    folder = tmp_path_factory.mktemp("s")
    with Streaming(folder, STREAM_CONCURRENT=request.param, **variables) as running:
        running.wait_ready()
        yield running


def exchange_in_1_0(server: Server, body: bytes) -> bytes:
    """Send a request in HTTP/1.0, and return all that comes until the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /invocations HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize("kind", ASYNC)
def test_first_piece_leaves_before_the_last_is_made(server: Streaming, kind: str) -> None:
    """Each piece is a chunk, which is here as soon as it is made, and is not compressed."""
    gate = f"order{kind}"
    headers = {"Accept-Encoding": "gzip", "Accept": "text/plain"}
    with asked(server, {"kind": f"gated{kind}", "gate": gate}, **headers) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.headers["Content-Length"] is None
        assert response.headers["Content-Encoding"] == "identity"
        assert response.headers["X-Kind"] == f"gated{kind}"
        assert response.headers["X-Request-Id"]
        assert response.readline() == b"first\n"
        assert not server.has(f"{gate}.finally")
        server.allow(gate)
        assert response.read() == b"second\n"
    wait_until(lambda: server.has(f"{gate}.finally"))
    assert not server.has(f"{gate}.closed")


@pytest.mark.parametrize("kind", ASYNC)
def test_generator_waits_for_its_client(server: Streaming, kind: str) -> None:
    """A client that reads nothing holds the generator back; when it reads, it gets every byte."""
    gate = f"flood{kind}"
    with asked(server, {"kind": f"flood{kind}", "gate": gate, "count": 30}) as response:
        made = -1

        def stands() -> bool:
            nonlocal made
            before, made = made, (server.notes / gate).read_text().count("\n")
            time.sleep(0.2)
            return before == made

        wait_until(stands, timeout=TIMEOUT)
        assert made < 20
        assert len(response.read()) == 30_000_000


@pytest.mark.parametrize("kind", ASYNC)
def test_stream_that_breaks_off_is_taken_for_whole_by_nobody(server: Streaming, kind: str) -> None:
    """The connection is cut without the mark of the end; the log says why, the client does not hear it."""
    with asked(server, {"kind": f"breaking{kind}"}) as response:
        assert response.status == 200
        with pytest.raises(http.client.IncompleteRead) as caught:
            response.read()
    assert caught.value.partial == b"half"
    wait_until(lambda: "its stream broke off after 4 bytes" in server.text)
    assert "secret of the handler" in server.text


@pytest.mark.parametrize("kind", ASYNC)
def test_error_before_the_first_piece_is_an_answer(server: Streaming, kind: str) -> None:
    """Until something was sent, what a generator raises is what any function of a handler raises."""
    for http_error, status, code in ((True, 422, "too_old"), (False, 500, "handler_failed")):
        with asked(server, {"kind": f"raising{kind}", "http": http_error}) as response:
            assert (response.status, json.loads(response.read())["error"]["code"]) == (status, code)
            assert response.headers["Content-Length"]


EVENTS = 'event: token\nid: 7\nretry: 5\ndata: a\ndata: b\n\ndata: {"x":[1]}\n\ndata: [DONE]\n\n'
ITEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"items": ["a", "", "é"]}, "aé", "application/json"),
    ({"items": []}, "", "application/json"),
    ({"items": [1, [2.5], {"a": None}, "b"]}, '1\n[2.5]\n{"a":null}\nb', "application/jsonlines"),
    ({"items": ["a", {"b": 1}], "as": "lines"}, '"a"\n{"b":1}\n', "application/jsonlines"),
    ({"items": ["a", {"b": 1}], "as": "events"}, 'data: a\n\ndata: {"b":1}\n\n', "text/event-stream"),
    ({"items": [], "as": "event"}, EVENTS, "text/event-stream"),
    ({"items": ["a"], "as": "status", "status": 202}, "a", "text/x"),
]


@pytest.mark.parametrize("kind", ASYNC)
@pytest.mark.parametrize(("order", "body", "content_type"), ITEMS)
def test_items(server: Streaming, kind: str, order: dict[str, Any], body: str, content_type: str) -> None:
    """Text and bytes are sent as they are, values as lines of JSON or events."""
    with asked(server, {"kind": f"items{kind}", **order}) as response:
        assert response.read().decode() == body
        assert response.headers["Content-Type"] == content_type
        assert response.status == order.get("status", 200)


@pytest.mark.parametrize("kind", ASYNC)
def test_items_that_cannot_be_sent(server: Streaming, kind: str) -> None:
    """None, or a number as text, is an error: a 500 if it comes first, a cut connection otherwise."""
    with asked(server, {"kind": f"items{kind}", "items": [None]}) as response:
        assert response.status == 500
    with asked(server, {"kind": f"items{kind}", "items": [7]}, Accept="text/csv") as response:
        assert response.status == 500
    order = {"kind": f"items{kind}", "items": ["a", None]}
    with asked(server, order) as response, pytest.raises(http.client.IncompleteRead):
        response.read()
    wait_until(lambda: "yielded None; expected bytes, str, or a value of JSON" in server.text)


def test_status_without_a_body(server: Streaming) -> None:
    """204 has no body, whatever is yielded."""
    with asked(server, {"kind": "items", "items": ["a"], "as": "status", "status": 204}) as response:
        assert (response.status, response.read()) == (204, b"")


@pytest.mark.parametrize("kind", ASYNC)
def test_client_that_goes_away_stops_the_generator(server: Streaming, kind: str) -> None:
    """Within a second its `finally` has run, long before its items would have ended."""
    gate = f"gone{kind}"
    with asked(server, {"kind": f"ticking{kind}", "count": 1500, "gate": gate}) as response:
        assert response.readline() == b"0\n"
    wait_until(lambda: server.has(f"{gate}.finally"), timeout=within(1))


def test_client_that_goes_away_stops_an_await(server: Streaming, front: str) -> None:
    """An async generator ends at its `await`, however long that would have taken."""
    with asked(server, {"kind": "gated_async", "gate": "awaiting"}) as response:
        assert response.readline() == b"first\n"
    if front == "true":  # a client's own close may be half of one: it may still read
        wait_until(lambda: server.has("awaiting.finally"), timeout=within(1))
        assert server.has("awaiting.closed")


def test_stream_that_moves_outlives_the_timeout(server: Streaming) -> None:
    """It is whole, though it took longer."""
    count = int((TIMEOUT + 1.5) * 50)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        orders = [{"kind": f"ticking{kind}", "count": count} for kind in ASYNC]
        for response in [stack.enter_context(asked(server, order)) for order in orders]:
            assert response.read().split() == [b"%d" % number for number in range(count)]
    assert time.monotonic() - began > TIMEOUT + 1.2


def test_other_answers_have_a_length(server: Streaming) -> None:
    """What is no stream is sent whole."""
    answer = server.invoke('{"kind": "plain"}')
    assert (answer.body, answer.headers["Content-Length"]) == (b"[1,2,3]", "7")
    assert server.invoke('{"kind": "plain"}', Accept="text/event-stream").status == 406


def test_requests_in_other_forms_are_streamed_too(server: Streaming, front: str) -> None:
    """With a query, or a body in chunks, they take gunicorn's parser."""
    body = json.dumps({"kind": "items", "items": ["a", "b"]}).encode()
    answer = server.request("POST", "/invocations?x=1", body)
    assert (answer.body, answer.headers["Transfer-Encoding"]) == (b"ab", "chunked")
    assert exchange_in_1_0(server, body).endswith(b"\r\n\r\nab")
    if front == "false":  # nginx closes in its own way
        with pytest.raises(ConnectionResetError):
            exchange_in_1_0(server, b'{"kind": "breaking"}')


@pytest.mark.parametrize("kind", ASYNC)
def test_stream_that_stalls_is_ended(server: Streaming, kind: str) -> None:
    """Nothing for the timeout: 504 if nothing was sent, a cut connection otherwise."""
    # Workers that the other kind has held up may be on their way to be replaced.
    wait_until(lambda: server.invoke('{"kind": "plain"}').status == 200)
    began = time.monotonic()
    order = {"kind": f"hanging{kind}", "gate": f"stall{kind}"}
    with asked(server, order | {"after": True}) as begun, asked(server, order) as response:
        assert begun.status == 200
        assert (response.status, json.loads(response.read())["error"]["code"]) == (504, "timeout")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            begun.read()
    assert TIMEOUT - 0.5 < time.monotonic() - began < TIMEOUT + 4
