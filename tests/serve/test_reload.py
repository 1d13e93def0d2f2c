"""A reload that does not come to an end by itself."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until

GIVEN_UP = "SAGEMAKER_RELOAD_TIMEOUT_SECONDS=3"


def test_reload_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """After its time what served before serves on, nothing of the new one is left, and a later one works."""
    require_nginx()
    gate = tmp_path / "gate"
    gate.touch()
    variables = {"STANDIN_GATE": str(gate), "SAGEMAKER_RELOAD_TIMEOUT_SECONDS": "3"}
    with Server(tmp_path, **variables) as server:
        server.wait_ready()
        children = set(children_of(server.process.pid))
        gate.unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: GIVEN_UP in server.text, timeout=30)
        assert server.invoke("1").body == b"1"
        wait_until(lambda: set(children_of(server.process.pid)) == children, timeout=30)
        gate.touch()
        for attempt in range(2, 8):  # a slow machine may take more than the time for one
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: ended(server) == attempt, timeout=30)  # noqa: B023
            if "reloaded in" in server.text:
                break
        else:
            raise AssertionError(server.text)
        assert server.invoke("1").body == b"1"
        assert server.stop() == 0
        assert list(server.temporary.iterdir()) == []


def ended(server: Server) -> int:
    """Return how many reloads have ended, well or not."""
    return server.text.count(GIVEN_UP) + server.text.count("reloaded in")
