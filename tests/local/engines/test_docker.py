"""What Docker tells of a container, as the state of a host."""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mlberth_local.engines.base import EngineError, HostState
from mlberth_local.engines.docker import DockerEngine, host_state

STARTED, EARLIER = "2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.25Z"
SECONDS = 1767323045.5


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"Status": "created", "Error": ""}, HostState()),
        ({"Status": "created", "Error": "no such program"}, HostState(problem="no such program")),
        ({"Status": "running"}, HostState(SECONDS)),
        ({"Status": "exited", "FinishedAt": "2026-01-02T03:04:07.5Z"}, HostState(SECONDS, SECONDS + 2, 3)),
        ({"Status": "exited", "FinishedAt": EARLIER}, HostState(SECONDS, SECONDS, 3)),
        (
            {"Status": "exited", "FinishedAt": "0001-01-01T00:00:00Z", "ExitCode": 0},
            HostState(SECONDS, SECONDS, None, "Docker was restarted, and its program ended unseen"),
        ),
        (
            {"Status": "dead", "FinishedAt": STARTED, "OOMKilled": True},
            HostState(SECONDS, SECONDS, 3, "it used more memory than it has"),
        ),
    ],
    ids=[
        "created",
        "cannot start",
        "running",
        "ended",
        "ended before its start was noted",
        "ended unseen",
        "out of memory",
    ],
)
def test_states(told: dict[str, Any], state: HostState) -> None:
    """Times are seconds; a host never ends before it has started."""
    whole = {"StartedAt": STARTED, "ExitCode": 3, "Error": "", "OOMKilled": False} | told
    assert host_state(whole) == state


def _ask(engine: DockerEngine, told: Any) -> None:
    """Tell what the engine says to a user who is not root."""
    if not os.getuid():
        os.setuid(4321)
    try:
        engine.check_image("a")
    except EngineError as error:
        told.send(str(error))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork: the child calls nothing of threads
def test_a_user_who_may_not_use_docker() -> None:
    """The error says so."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder, "sock")
        listening.bind(str(path))
        listening.listen()
        Path(folder).chmod(0o755)
        path.chmod(0)
        engine = DockerEngine("x", {"DOCKER_HOST": f"unix://{path}"})
        child = context.Process(target=_ask, args=(engine, sending))
        child.start()
        assert receiving.poll(60)
        assert "this user may not use it" in receiving.recv()
        child.join(60)
