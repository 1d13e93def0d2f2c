"""Objects sent to a real HTTP server."""

from __future__ import annotations

import filecmp
import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.local.transform.model_servers import Server

from mlberth_local.transform.json_path import JsonPath
from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.records import CSV, DataProcessing, TransformError
from mlberth_local.transform.transformation import Form, Transformation


def transform(
    server: Server, content: bytes, folder: Path, parameters: Parameters, form: Form, **client: object
) -> bytes:
    """Return the results for one object."""
    source, target = folder / "in", folder / "out"
    source.write_bytes(content)
    transformation = Transformation(ModelClient(server.port, **client), parameters, form)  # type: ignore[arg-type]
    try:
        transformation.run(source, target, lambda: False)
    finally:
        transformation.close()
    return target.read_bytes()


LINES = Form("Line", "Line")
MEGABYTES = 512 if os.environ.get("MLBERTH_LONG") == "1" else 64
TRANSFORM = """
import sys
from pathlib import Path
from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.transformation import Form, Transformation

def status(name):
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) // 1024

transformation = Transformation(ModelClient(int(sys.argv[1])), Parameters(2, 2), Form("Line", "Line"))
before = status("VmRSS:")
transformation.run(Path(sys.argv[2]), Path(sys.argv[3]), lambda: False)
print(status("VmHWM:") - before)
"""


def test_order_is_kept(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Requests go out side by side, as many as the server takes; results are in the order of the records."""

    def answer(body: bytes) -> tuple[int, bytes]:
        time.sleep(0.02 if int(body) % 3 == 0 else 0.001)  # a model whose answers take different times
        return 200, body

    server = serve(answer)
    content = b"".join(b"%d\n" % number for number in range(60))
    assert transform(server, content, tmp_path, Parameters(4, 1, "SingleRecord"), LINES) == content
    assert 2 <= server.most <= 4
    assert len(server.requests) == 60


def test_requests_are_filled(serve: Callable[..., Server], tmp_path: Path) -> None:
    """A request has at most the payload's bytes, and nearly as many."""
    server = serve()
    content = b"".join(b"%06d\n" % number for number in range(300_000))
    assert transform(server, content, tmp_path, Parameters(2, 1, "MultiRecord"), LINES) == content
    sizes = [len(body) for body, _ in server.requests]
    assert len(sizes) == 3
    assert max(sizes) <= 1024 * 1024
    assert sorted(sizes)[1] > 1024 * 1024 - 8


def test_headers(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Content-Type and Accept are the job's; without them there are none."""
    server = serve()
    transform(
        server, b"a", tmp_path, Parameters(), Form(), content_type="text/csv", accept="application/json"
    )
    transform(server, b"a", tmp_path, Parameters(), Form())
    (_, first), (_, second) = server.requests
    assert (first["Content-Type"], first["Accept"]) == ("text/csv", "application/json")
    assert "Content-Type" not in second
    assert "Accept" not in second


def test_whole_objects(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Without a split, an object is a request; with payload 0 it comes in chunks; gzip is unpacked."""
    server = serve()
    assert transform(server, b"a\nb\n", tmp_path, Parameters(), Form()) == b"A\nB\n"
    large = b"x" * 7_000_000
    packed = gzip.compress(large, 1)
    assert transform(server, packed, tmp_path, Parameters(1, 0), Form(unpacks=True)) == large.upper()
    assert server.requests[-1][1]["Transfer-Encoding"] == "chunked"
    with pytest.raises(TransformError, match="larger than MaxPayloadInMB"):
        transform(server, large, tmp_path, Parameters(1, 6), Form())


def test_joins(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Filters and joins work over requests of several records."""
    server = serve(lambda body: (200, b"".join(b"<%s>\n" % line for line in body.splitlines())))
    form = Form(
        "Line", "Line", processing=DataProcessing(CSV, JsonPath("$[1]"), JsonPath("$[0,-1]"), joins=True)
    )
    assert transform(server, b"a,1\nb,2\n", tmp_path, Parameters(), form) == b"a,<1>\nb,<2>\n"
    assert [body for body, _ in server.requests] == [b"1\n2"]


def test_retries(serve: Callable[..., Server], tmp_path: Path) -> None:
    """A server's fault is tried again, the client's is not."""
    answers = iter([(500, b""), (503, b""), (200, b"ok"), (400, b"bad row")])
    server = serve(lambda _: next(answers))
    began = time.monotonic()
    assert transform(server, b"a", tmp_path, Parameters(), Form(), retries=3, first_pause=0.05) == b"ok"
    assert time.monotonic() - began >= 0.15  # the second pause is twice the first
    with pytest.raises(TransformError, match="ClientError: 400: bad row"):
        transform(server, b"a", tmp_path, Parameters(), Form(), retries=3)
    assert len(server.requests) == 4


def test_a_server_that_fails(serve: Callable[..., Server], tmp_path: Path) -> None:
    """After the last retry the object fails, with the status."""
    server = serve(lambda _: (500, b"boom"))
    with pytest.raises(TransformError, match="Bad HTTP status received from algorithm: 500: boom"):
        transform(server, b"a", tmp_path, Parameters(), Form(), retries=1, first_pause=0.01)
    assert len(server.requests) == 2
    server.close()
    with pytest.raises(TransformError, match="Unable to get response from algorithm"):
        transform(server, b"a", tmp_path, Parameters(), Form(), retries=0)


def test_parameters(serve: Callable[..., Server]) -> None:
    """The job's own come first, then the server's, then the defaults."""
    server = serve(
        parameters=b'{"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}'
    )
    client = ModelClient(server.port)
    assert client.parameters({}) == Parameters(8, 2, "SingleRecord")
    assert client.parameters({"MaxPayloadInMB": 0, "BatchStrategy": "MultiRecord"}) == Parameters(
        8, 0, "MultiRecord"
    )
    assert ModelClient(serve(parameters=b"nonsense").port).parameters({}) == Parameters(1, 6, "MultiRecord")
    assert str(Parameters()) == "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"


def test_memory_is_bounded(serve: Callable[..., Server], tmp_path: Path) -> None:
    """However slow the first answer is, only so many requests are read ahead."""
    going = threading.Event()

    def answer(body: bytes) -> tuple[int, bytes]:
        if body == b"0":
            going.wait(30)
        return 200, body

    server = serve(answer)
    content = b"".join(b"%d\n" % number for number in range(100))
    thread = threading.Timer(0.5, going.set)
    thread.start()
    found = transform(server, content, tmp_path, Parameters(3, 1, "SingleRecord"), LINES)
    thread.join()
    first_answered = [body for body, _ in server.requests].index(b"0")
    assert first_answered < 6
    assert found == content


def test_a_large_object(serve: Callable[..., Server], tmp_path: Path) -> None:
    """It takes the memory of a few requests, however large it is, and comes back whole."""
    server = serve(lambda body: (200, body), keeps=False)
    source, target = tmp_path / "in", tmp_path / "out"
    with source.open("wb") as file:
        for number in range(MEGABYTES):
            file.write((b"%09d," % number + b"x" * 1013 + b"\n") * 1024)
    words = [sys.executable, "-c", TRANSFORM, str(server.port), str(source), str(target)]
    grown = int(subprocess.run(words, capture_output=True, check=True, timeout=600).stdout)
    # Four requests of 2 MB, and their answers; what is read ahead; and what the allocator keeps.
    assert grown < 48, f"{grown} MB for an object of {MEGABYTES} MB"
    same = filecmp.cmp(source, target, shallow=False)
    source.unlink()
    target.unlink()
    assert same
