"""The process that forks shims."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until

from mlberth_local.engines import shim
from mlberth_local.engines.base import EngineError
from mlberth_local.engines.fork_server import ForkServer


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """Return one whose process is ended."""
    with closing(ForkServer({"PATH": os.environ["PATH"]})) as made:
        yield made


def start(server: ForkServer, folder: Path, spec: dict[str, object]) -> int:
    """Start the shim of a folder; returns a descriptor of its lock."""
    folder.mkdir()
    shim.write(folder / shim.SPEC, spec)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with (folder / "errors").open("wb") as errors:
        server.start(folder, lock, errors.fileno())
    os.close(lock)
    return os.open(folder / "lock", os.O_RDWR)


def spec(tmp_path: Path, *argv: str) -> dict[str, object]:
    """Return what a shim needs to run a command."""
    names = {"host": "algo-1", "hosts": ["algo-1"], "isolated": False, "overlays": {}}
    places = {"cwd": str(tmp_path), "base": str(tmp_path), "log": str(tmp_path / "log.jsonl")}
    return {"argv": argv, "environ": {"PATH": os.environ["PATH"]}, **names, **places}


def pid_of(server: ForkServer) -> int:
    """Return the process id of a server."""
    assert server._process is not None
    return server._process.pid


def test_a_lock_is_held_to_the_end(server: ForkServer, tmp_path: Path) -> None:
    """Its holder is a session of its own, and the program that it runs does not have the descriptor."""
    lock = start(server, tmp_path / "shim", spec(tmp_path, "sh", "-c", "ls -l /proc/self/fd; exit 3"))
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)
    assert json.loads((tmp_path / "shim" / shim.EXIT).read_text())["code"] == 3
    assert str(tmp_path / "shim") not in (tmp_path / "log.jsonl").read_text()
    assert (tmp_path / "shim/errors").read_text() == ""


def test_shims_outlive_the_server(server: ForkServer, tmp_path: Path) -> None:
    """One that was killed is replaced by another."""
    lock = start(server, tmp_path / "one", spec(tmp_path, "sleep", "60"))
    killed = pid_of(server)
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
    other = start(server, tmp_path / "two", spec(tmp_path, "true"))
    fcntl.flock(other, fcntl.LOCK_SH)
    assert pid_of(server) != killed
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.kill(json.loads((tmp_path / "one" / shim.STARTED).read_text())["pid"], shim.KILL)
    fcntl.flock(lock, fcntl.LOCK_SH)
    for descriptor in (lock, other):
        os.close(descriptor)


def test_a_server_that_does_not_answer(server: ForkServer, tmp_path: Path) -> None:
    """Nobody asks again: it may have forked."""
    os.close(start(server, tmp_path / "one", spec(tmp_path, "true")))
    os.kill(pid_of(server), signal.SIGSTOP)
    assert server._connection is not None
    server._connection.settimeout(0.05)
    with pytest.raises(EngineError, match="timed out"):
        start(server, tmp_path / "two", spec(tmp_path, "true"))
    os.kill(pid_of(server), signal.SIGCONT)


def test_words_of_a_shim_that_fails(server: ForkServer, tmp_path: Path) -> None:
    """A traceback goes to its own file, and the lock is free."""
    lock = start(server, tmp_path / "shim", {})
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)
    assert "KeyError" in (tmp_path / "shim/errors").read_text()


def test_the_server_ends_with_its_owner(tmp_path: Path) -> None:
    """Its connection is closed then, whatever the owner has died of."""
    server = ForkServer({"PATH": os.environ["PATH"]})
    os.close(start(server, tmp_path / "shim", spec(tmp_path, "true")))
    pid = pid_of(server)
    assert server._connection is not None
    server._connection.close()
    wait_until(lambda: not is_alive(pid))
    server.close()
