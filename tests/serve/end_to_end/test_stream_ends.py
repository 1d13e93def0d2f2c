"""Streams beside other requests, and when a worker or the server ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
from collections.abc import Iterator

import pytest
from tests.serve.running import require_nginx
from tests.serve.streaming import ASYNC, Streaming, asked
from tests.support import wait_until

from mlberth_serve.worker.streams.deliveries import MAX_STREAMS


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    """Run one worker behind nginx, which has several streams at once."""
    require_nginx()
    variables = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "5"}
    folder = tmp_path_factory.mktemp("one")
    with Streaming(folder, STREAM_CONCURRENT="1", SAGEMAKER_ACCESS_LOG="true", **variables) as server:
        server.wait_ready()
        yield server


def read_metric(server: Streaming, name: str) -> float:
    """Return a line of /metrics; nan in the first second, when there are none."""
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), "nan"))


@pytest.mark.parametrize("kind", ASYNC)
def test_slow_streams_hold_no_worker(one: Streaming, kind: str) -> None:
    """One worker has many of them, each at its own pace, and answers other requests meanwhile."""
    with contextlib.ExitStack() as stack:
        orders = [{"kind": f"gated{kind}", "gate": f"side{kind}{number}"} for number in range(8)]
        streams = [stack.enter_context(asked(one, order)) for order in orders]
        assert [stream.readline() for stream in streams] == [b"first\n"] * 8
        assert one.invoke('{"kind": "plain"}').body == b"[1,2,3]"
        wait_until(lambda: read_metric(one, "mlberth_streams_in_flight") == 8)
        for order, stream in reversed(list(zip(orders, streams, strict=True))):
            one.allow(order["gate"])
            assert stream.read() == b"second\n"
    wait_until(lambda: read_metric(one, "mlberth_streams_in_flight") == 0)


def test_more_streams_than_a_worker_takes_wait(one: Streaming) -> None:
    """They begin when others end; none is refused."""
    with contextlib.ExitStack() as stack:
        order = {"kind": "gated_async", "gate": "crowd"}
        for _ in range(MAX_STREAMS):
            assert stack.enter_context(asked(one, order)).readline() == b"first\n"
        late = http.client.HTTPConnection("127.0.0.1", one.port, timeout=15)
        late.request("POST", "/invocations", json.dumps({"kind": "items", "items": ["late"]}).encode())
        wait_until(lambda: read_metric(one, "mlberth_requests_in_flight") > MAX_STREAMS)
        one.allow("crowd")
        assert late.getresponse().read() == b"late"
        late.close()


def test_streams_are_counted_and_logged(one: Streaming) -> None:
    """By how they end, with the time of the first piece; the access log has their bytes and seconds."""
    names = {end: f'mlberth_streams_total{{end="{end}"}}' for end in ("whole", "failed", "gone")}
    before = {end: read_metric(one, name) for end, name in names.items()}
    first = read_metric(one, "mlberth_first_chunk_seconds_count")
    with asked(one, {"kind": "items", "items": ["a" * 77]}) as response:
        name = response.headers["X-Request-Id"]
        response.read()
    with asked(one, {"kind": "breaking_async"}) as response, pytest.raises(http.client.IncompleteRead):
        response.read()
    with asked(one, {"kind": "ticking", "count": 999, "gate": "counted"}) as response:
        response.readline()
    for end, count in before.items():  # which may be a second old
        wait_until(lambda: read_metric(one, names[end]) > count)  # noqa: B023
    assert read_metric(one, "mlberth_first_chunk_seconds_count") > first

    def is_logged() -> bool:
        found = re.search(rf"access: POST .* 200 [0-9.]+ s (\d+) bytes .*{name}", one.text)
        return found is not None and int(found[1]) >= 77  # nginx counts the frames of the chunks as well

    wait_until(is_logged)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_retry_repeats_no_stream_that_has_begun(one: Streaming, *, after: bool) -> None:
    """A worker that dies before the first piece costs nothing; after it the stream is cut off."""
    gate = f"dying{after}"
    with asked(one, {"kind": "dying", "gate": gate, "after": after}) as response:
        if after:
            with pytest.raises(http.client.IncompleteRead):
                response.read()
        else:
            assert response.read() == b"again"
    assert (one.notes / gate).read_text().count("\n") == (1 if after else 2)
    wait_until(lambda: one.ping() == 200)


def test_generator_that_does_not_end_costs_its_worker(one: Streaming) -> None:
    """A thread cannot be stopped from outside: its worker ends after the other streams, and is replaced."""
    with asked(one, {"kind": "where"}) as response:
        pid = response.read().split()[0]
    with asked(one, {"kind": "hanging", "gate": "stuck"}) as response:
        assert response.status == 504
    wait_until(lambda: "the worker is replaced" in one.text)

    def replaced() -> bool:
        with asked(one, {"kind": "where"}) as response:
            return response.read().split()[0] != pid

    wait_until(replaced)


@pytest.mark.parametrize("concurrent", ["", "1"], ids=["one-by-one", "concurrent"])
def test_stop_and_reload_lose_no_stream(
    tmp_path_factory: pytest.TempPathFactory, front: str, concurrent: str
) -> None:
    """What has begun is whole, though the server is told to reload, or to stop, in between."""
    variables = {"SAGEMAKER_USE_NGINX": front, "STREAM_CONCURRENT": concurrent}
    numbers = [signal.SIGHUP, signal.SIGTERM] if front == "true" else [signal.SIGTERM]
    with Streaming(tmp_path_factory.mktemp("end"), **variables) as server:
        server.wait_ready()
        for number in numbers:
            orders = [{"kind": f"gated{kind}", "gate": f"{number}{kind}"} for kind in ASYNC]
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(asked(server, order)) for order in orders]
                assert [stream.readline() for stream in streams] == [b"first\n"] * 2
                server.process.send_signal(number)
                word = "reloaded in" if number is signal.SIGHUP else "stopping"
                wait_until(lambda: word in server.text)  # noqa: B023
                for order, stream in zip(orders, streams, strict=True):
                    server.allow(order["gate"])
                    assert stream.read() == b"second\n"
        assert server.process.wait(20) == 0
