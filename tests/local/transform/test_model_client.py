"""Requests through the containers of a pipeline, by real HTTP servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local.transform.model_servers import Server

from mlberth_local.transform.connection import Body
from mlberth_local.transform.json_path import JsonPath
from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.records import JSON_LINES, DataProcessing, TransformError
from mlberth_local.transform.request_loop import RequestLoop
from mlberth_local.transform.transformation import Form, Transformation

LINES = Form("Line", "Line")
NAMES = ("first", "second", "third")
Serve = Callable[..., Server]


@pytest.fixture
def going() -> Iterator[threading.Event]:
    """Return what lets slow servers answer; it is set at the end, so that none is left waiting."""
    event = threading.Event()
    yield event
    event.set()


def client(*servers: Server, **members: Any) -> ModelClient:
    """Return a client of a pipeline, which does not pause long before it tries again."""
    ports = [server.port for server in servers]
    return ModelClient(*ports, names=NAMES, **{"first_pause": 0.01, "retries": 0, "timeout": 60.0, **members})


def send(pipeline: ModelClient, body: Body) -> bytes:
    """Return the answer to one request."""
    with closing(RequestLoop(pipeline, threading.BoundedSemaphore())) as loop:
        request = loop.submit(body)
        while not request.is_done:
            loop.wait()
    pipeline.close()
    if request.answer is None:
        raise TransformError(request.problem)
    return request.answer


def tagged(tag: bytes) -> Callable[[bytes], tuple[int, bytes]]:
    """Return a model that puts a tag behind each line."""
    return lambda body: (200, b"".join(line + tag + b"\n" for line in body.splitlines()))


def test_each_container_gets_what_the_one_before_answers(serve: Serve, tmp_path: Path) -> None:
    """Body and media type go from one to the next; the job's Accept reaches the last one alone."""
    servers = [
        serve(tagged(b"-1"), media_type="text/csv; charset=utf-8"),
        serve(tagged(b"-2"), media_type="application/jsonlines"),
        serve(tagged(b"-3")),
    ]
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"a\nb\nc\n")
    pipeline = client(*servers, content_type="text/plain", accept="text/csv")
    transformation = Transformation(pipeline, Parameters(2, 1, "SingleRecord"), LINES)
    transformation.run(source, target, lambda: False)
    transformation.close()
    assert target.read_bytes() == b"a-1-2-3\nb-1-2-3\nc-1-2-3\n"
    heads = [
        {(headers.get("Content-Type"), headers.get("Accept")) for _, headers in server.requests}
        for server in servers
    ]
    assert heads == [
        {("text/plain", None)},
        {("text/csv; charset=utf-8", None)},
        {("application/jsonlines", "text/csv")},
    ]


def test_a_container_that_refuses(serve: Serve) -> None:
    """The error names it, what it was sent, and by whom: it may be the one before that is wrong."""
    second = serve(lambda _: (200, b"<html>"), media_type="text/html")
    pipeline = client(serve(), second, serve(lambda _: (415, b"no JSON")))
    cause = (
        r"ClientError: container third \(3 of 3\): 415: no JSON "
        r"\(it was sent 6 bytes of text/html by container second \(2 of 3\)\)"
    )
    with pytest.raises(TransformError, match=cause):
        send(pipeline, b"a")


def test_a_container_that_fails_is_asked_again(serve: Serve) -> None:
    """All of the pipeline is tried again, so that a container that keeps something sees whole requests."""
    answers = iter([(500, b"boom"), (200, b"x"), (500, b"boom")])
    first, second, third = serve(), serve(lambda _: next(answers)), serve()
    pipeline = client(first, second, third, retries=1)
    assert send(pipeline, b"a") == b"X"
    assert [len(server.requests) for server in (first, second, third)] == [2, 2, 1]


@pytest.mark.parametrize("retries", [0, 1])
def test_a_container_that_has_died(serve: Serve, retries: int) -> None:
    """The error names it after the last try; the others have answered what came to them."""
    first, second, third = serve(), serve(), serve()
    second.close()
    pipeline = client(first, second, third, retries=retries)
    with pytest.raises(TransformError, match=r"from algorithm: container second \(2 of 3\): .*refused"):
        send(pipeline, b"a")
    assert [len(server.requests) for server in (first, third)] == [1 + retries, 0]


def test_a_container_that_is_slow(serve: Serve, going: threading.Event) -> None:
    """The time of a request is that of all its containers; the error names the one that has not answered."""
    second = serve(lambda body: (200 if going.wait(60) else 500, body))
    pipeline = client(serve(), second, serve(), timeout=0.2)
    with pytest.raises(TransformError, match=r"container second \(2 of 3\): timed out"):
        send(pipeline, b"a")
    going.set()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"<html>\n", r"the answer of container third \(3 of 3\) is not valid JSON"),
        (b"1\n2\n", r"the answer of container third \(3 of 3\) has 2 records for 1"),
    ],
)
def test_an_answer_that_cannot_be_joined(serve: Serve, tmp_path: Path, answer: bytes, cause: str) -> None:
    """The error names the container that has made it."""
    pipeline = client(serve(), serve(), serve(lambda _: (200, answer)))
    form = Form(
        "Line", "Line", processing=DataProcessing(JSON_LINES, JsonPath("$"), JsonPath("$"), joins=True)
    )
    source = tmp_path / "in"
    source.write_bytes(b"{}\n")
    transformation = Transformation(pipeline, Parameters(), form)
    with pytest.raises(TransformError, match=cause):
        transformation.run(source, tmp_path / "out", lambda: False)
    transformation.close()


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ((b"{}", b"nonsense", b"[]"), Parameters()),
        ((b'{"MaxConcurrentTransforms": 8}', b'{"MaxConcurrentTransforms": 2}', b"{}"), Parameters(2)),
        ((b'{"MaxPayloadInMB": 0}', b'{"MaxPayloadInMB": 20}', b"{}"), Parameters(1, 20)),
        ((b"{}", b'{"BatchStrategy": "SINGLE_RECORD"}', b"{}"), Parameters(1, 6, "SingleRecord")),
    ],
    ids=["none", "concurrency", "payload", "strategy"],
)
def test_parameters(serve: Serve, answers: tuple[bytes, ...], found: Parameters) -> None:
    """A request has what every container can take; 0 MB sets no limit."""
    assert client(*(serve(parameters=answer) for answer in answers)).parameters({}) == found


def test_readiness(serve: Serve) -> None:
    """A pipeline is ready when each of its containers is; the first one that is not has a name."""
    first, second, third = serve(), serve(), serve()
    pipeline = client(first, second, third)
    assert pipeline.is_ready()
    second.close()
    assert pipeline.unready() == 1
    assert pipeline.container(1) == "container second (2 of 3)"
    assert ModelClient(first.port).container(0) == ""
