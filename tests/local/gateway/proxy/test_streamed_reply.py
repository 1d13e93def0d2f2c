"""Streamed answers of containers, by the unmodified client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.local.gateway.platform import GatewayPlatform, endpoint, instance, one_port, variant
from tests.local.gateway.servers import Said, container
from tests.support import wait_until

Write = Callable[[bytes], None]


@contextmanager
def streaming(behave: Callable[[Write, bytes], bool]) -> Iterator[int]:
    """Run a container that writes chunks, and ends them if `behave` returns True; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

            def write(data: bytes) -> None:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                self.wfile.flush()

            if behave(write, body):
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stream(platform: GatewayPlatform, body: bytes = b"1", **more: Any) -> Any:
    """Begin a streamed request."""
    return platform.runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=body, **more)


def test_parts_come_as_they_are_made(platform: GatewayPlatform) -> None:
    """The client has one before the next is there; media type and variant are told at the beginning."""
    goes_on = threading.Event()

    def behave(write: Write, body: bytes) -> bool:
        write(body)
        assert goes_on.wait(30)
        write(b"last")
        return True

    with streaming(behave) as port:
        platform.serve(one_port(port))
        found = stream(platform, b"first", ContentType="text/csv", Accept="text/plain")
        assert (found["ContentType"], found["InvokedProductionVariant"]) == ("text/plain", "AllTraffic")
        with closing(found["Body"]) as body:
            events = iter(body)
            assert next(events) == {"PayloadPart": {"Bytes": b"first"}}
            assert not platform.gateway.drained([instance(port)], 0.05)
            goes_on.set()
            assert [event["PayloadPart"]["Bytes"] for event in events] == [b"last"]
        assert platform.gateway.drained([instance(port)], 10)


def test_an_answer_that_is_whole_at_once(platform: GatewayPlatform) -> None:
    """Any container can be asked so; the same connection of the client takes the next request."""
    with container() as one:
        platform.serve(one_port(one.port))
        for body in (b"a", b"b"):
            with closing(stream(platform, body)["Body"]) as found:
                assert b"".join(event["PayloadPart"]["Bytes"] for event in found) == body
        platform.serve(one_port(one.port), endpoint(variant(instance(one.port)), name="f"))
        assert len(one.received) == 2


def test_an_error_before_the_first_part(platform: GatewayPlatform) -> None:
    """It is a ModelError, as without a stream."""
    with container(lambda _: Said(b"no such column", 400)) as one:
        platform.serve(one_port(one.port))
        with pytest.raises(ClientError, match="no such column") as raised:
            stream(platform)
    assert raised.value.response["Error"]["Code"] == "ModelError"


def test_a_stream_that_is_cut_off(platform: GatewayPlatform) -> None:
    """The client gets the parts that there were, and an error at the end."""

    def behave(write: Write, _: bytes) -> bool:
        write(b"half")
        return False

    with streaming(behave) as port:
        platform.serve(one_port(port))
        with closing(stream(platform)["Body"]) as found:
            events = iter(found)
            assert next(events)["PayloadPart"]["Bytes"] == b"half"
            with pytest.raises(EventStreamError, match="ModelStreamError"):
                next(events)
        assert platform.gateway.drained([instance(port)], 10)


def test_a_container_that_pauses_for_too_long(hurried: GatewayPlatform) -> None:
    """Each part has the container's time; then the client is told."""
    over = threading.Event()

    def behave(write: Write, _: bytes) -> bool:
        for _number in range(4):  # longer in all than the time for one part
            write(b"x")
            time.sleep(0.4)
        return over.wait(30)

    with streaming(behave) as port:
        hurried.serve(one_port(port))
        with closing(stream(hurried)["Body"]) as found:
            events = iter(found)
            assert [next(events)["PayloadPart"]["Bytes"] for _ in range(4)] == [b"x"] * 4
            with pytest.raises(EventStreamError, match="did not answer in time"):
                next(events)
        over.set()


def test_a_client_that_goes_away(platform: GatewayPlatform) -> None:
    """The container is not asked any further, and the instance is free."""
    ended = threading.Event()

    def behave(write: Write, _: bytes) -> bool:
        try:
            for _number in range(10_000):
                write(bytes(1000))
                time.sleep(0.01)
        except OSError:
            ended.set()
        return False

    with streaming(behave) as port:
        platform.serve(one_port(port))
        connection = HTTPConnection("127.0.0.1", int(platform.url.rpartition(":")[2]), timeout=10)
        connection.request("POST", "/endpoints/e/invocations-response-stream", b"1")
        connection.getresponse().read(100)
        connection.close()
        wait_until(ended.is_set)
        assert platform.gateway.drained([instance(port)], 10)


def test_a_slow_client_stops_the_container(platform: GatewayPlatform) -> None:
    """What the client has not taken yet is bounded, and all of it comes in the end."""
    sent = [0]
    total = 40 * 1024 * 1024

    def behave(write: Write, _: bytes) -> bool:
        while sent[0] < total:
            write(bytes(64 * 1024))
            sent[0] += 64 * 1024
        return True

    with streaming(behave) as port:
        platform.serve(one_port(port))
        connection = HTTPConnection("127.0.0.1", int(platform.url.rpartition(":")[2]), timeout=30)
        connection.request("POST", "/endpoints/e/invocations-response-stream", b"1")
        response = connection.getresponse()

        def is_still() -> bool:
            before = sent[0]
            time.sleep(0.2)
            return sent[0] == before

        wait_until(is_still)
        assert sent[0] < total
        size = 0
        while data := response.read(1 << 20):
            size += len(data)
        assert size > total
        connection.close()
