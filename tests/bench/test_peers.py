"""What is started for each peer, without starting it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench import data, front, ours
from bench.installation import MissingError, interpreter, requirements
from bench.peers import PEERS
from bench.server import HOST, Place, Server

PORTS = (23001, 23002, 23003, 23004, 23005, 23006)
EVERY = [*PEERS.values(), *ours.servers(), front.PAIR]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a place in which no program is run."""
    (tmp_path / "run").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / data.MODEL_FILE).touch()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)  # a peer's own tools are not installed here
    return Place(tmp_path / "run", tmp_path / "model", tmp_path / "env/bin/python", PORTS)


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.name)
def test_a_server_binds_the_loopback_alone(server: Server, place: Place) -> None:
    """Whatever names the port, an argument or a file, names 127.0.0.1, and never every address."""
    command = server.start(place)
    files = [
        path.read_text()
        for path in place.folder.rglob("*")
        if path.suffix in {".conf", ".json", ".properties"}
    ]
    text = "\n".join([*command.argv, *command.environ.values(), *files])
    assert str(PORTS[0]) in text
    assert HOST in text
    assert "0.0.0.0" not in text


@pytest.mark.parametrize("server", PEERS.values(), ids=lambda server: server.name)
def test_a_peer_is_pinned(server: Server) -> None:
    """What a peer's environment must hold has an exact version, or a reason to be left open."""
    if server.environment is None:
        return
    lines = requirements(server.environment).read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert set(server.packages) - {"flask"} <= pinned | {"flask"}
    assert [line for line in lines if not re.fullmatch(r"[\w-]+(==[\d.]+|<\d+)", line)] == []


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.name)
def test_requests_carry_the_rows(server: Server) -> None:
    """Every case that a server says it can answer has a request of its own length."""
    for case in data.cases().values():
        if case.content_type in server.requests:
            head, _, body = server.requests[case.content_type](case).partition(b"\r\n\r\n")
            assert b"\r\nContent-Length: %d" % len(body) in head


def test_a_missing_command_is_the_reason() -> None:
    """A server whose program is not on PATH is not installed, and says why."""
    server = Server("x", lambda _: ours.make("y").start(_), {}, needs=("no-such-command",))
    with pytest.raises(MissingError, match="no `no-such-command` on PATH"):
        interpreter(server)


def test_ours_needs_no_environment() -> None:
    """Mlberth is measured in the interpreter that runs the benchmark."""
    assert interpreter(ours.make("x")) == Path(sys.executable)


@pytest.mark.parametrize(
    "body",
    [
        b"0\n1\n",
        b"[0, 1]",
        b'{"predictions": [0, 1]}',
        b'{"output": [0, 1]}',
        b'{"id": "7", "outputs": [{"name": "y", "shape": [2, 1], "data": [0, 1]}]}',
        data.encode_npy([0, 1]),
    ],
)
def test_answers_are_read_in_every_form(body: bytes) -> None:
    """The predictions are found in whichever form a server sends them."""
    assert data.labels(body) == [0.0, 1.0]
