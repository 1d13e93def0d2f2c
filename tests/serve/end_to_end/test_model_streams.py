"""Streams of one of several models: the same as a single model's, through nginx."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.serve.models import ModelsServer
from tests.serve.running import PROJECTS, require_nginx
from tests.support import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsServer]:
    """Run a model that streams and one that does not."""
    require_nginx()
    folder = tmp_path_factory.mktemp("s")
    (folder / "notes").mkdir()
    running = ModelsServer(folder, STREAM_NOTES=str(folder / "notes"))
    with running:
        running.wait_ready()
        running.write("plain")
        shutil.copytree(PROJECTS / "streaming", running.write("streams") / "code", dirs_exist_ok=True)
        for name in ("plain", "streams"):
            assert running.load(name).status == 200
        yield running


@contextmanager
def asked(server: ModelsServer, **order: object) -> Iterator[http.client.HTTPResponse]:
    """Ask for a stream, and give what answers as soon as its head is there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    try:
        connection.request("POST", "/models/streams/invoke", json.dumps(order).encode())
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["gated", "gated_async"])
def test_first_piece_comes_before_the_last_is_made(server: ModelsServer, kind: str) -> None:
    """In chunks, and not gathered by nginx; another model answers meanwhile."""
    notes = server.log.parent / "notes"
    with asked(server, kind=kind, gate=kind) as response:
        assert response.status == 200
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.read1() == b"first\n"
        assert server.ask("plain", "meanwhile", **{"Content-Type": "text/plain"}).body == b"meanwhile"
        (notes / kind).touch()
        assert response.read() == b"second\n"
    wait_until((notes / f"{kind}.finally").exists)


def test_stream_that_breaks_is_cut(server: ModelsServer) -> None:
    """No client takes it for whole, and the model answers on."""
    with asked(server, kind="breaking") as response, pytest.raises(http.client.IncompleteRead):
        response.read()
    with asked(server, kind="plain") as response:
        assert response.read() == b"[1,2,3]"


def test_client_that_goes_away_stops_the_generator(server: ModelsServer) -> None:
    """Within seconds, though it never ends by itself."""
    notes = server.log.parent / "notes"
    with asked(server, kind="ticking", count=1_000_000, gate="left") as response:
        assert response.read1()
    wait_until((notes / "left.finally").exists, timeout=5)


def test_unload_waits_for_a_stream(server: ModelsServer, tmp_path: Path) -> None:
    """A stream that moves is sent to its end before its model's processes end."""
    notes = server.log.parent / "notes"
    with asked(server, kind="gated", gate="last") as response:
        assert response.read1() == b"first\n"
        (notes / "last").touch()
        assert server.unload("streams").status == 200
        assert response.read() == b"second\n"
    assert server.names() == ["plain"]
