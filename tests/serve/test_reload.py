"""A reload that does not come to an end by itself."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until


def test_reload_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """After its time what served before serves on, nothing of the new one is left, and a later one works."""
    require_nginx()
    gate, loads = tmp_path / "gate", tmp_path / "loads"
    gate.touch()
    variables = {"STANDIN_GATE": str(gate), "STANDIN_LOADS": str(loads)}
    with Server(tmp_path, SAGEMAKER_RELOAD_TIMEOUT_SECONDS="2", **variables) as server:
        server.wait_ready()
        children = set(children_of(server.process.pid))
        gate.unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "SAGEMAKER_RELOAD_TIMEOUT_SECONDS=2" in server.text, timeout=20)
        assert len(loads.read_text().splitlines()) == 2
        assert server.invoke("1").body == b"1"
        wait_until(lambda: set(children_of(server.process.pid)) == children, timeout=20)
        gate.touch()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded in" in server.text, timeout=20)
        assert server.invoke("1").body == b"1"
        assert server.stop() == 0
        assert list(server.temporary.iterdir()) == []
