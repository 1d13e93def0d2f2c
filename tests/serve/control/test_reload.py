"""A reload that does not come to an end by itself."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until

from mlberth_serve.control.generation import Generation
from mlberth_serve.control.reload import Reloader
from mlberth_serve.shared.run_directory import RunDirectory


class Loading:
    """A generation that loads until it is told that it has."""

    has_failed = False

    def __init__(self, run: RunDirectory, number: int) -> None:
        self.folder = run.generation(number)
        self.folder.path.mkdir()
        self.child = SimpleNamespace(returncode=None)
        self.loaded = False
        self.told: list[str] = []

    def is_complete(self) -> bool:
        """Tell what the test says."""
        return self.loaded

    def advance(self) -> None:
        """Have one stage."""

    def end(self) -> None:
        """Note it."""
        self.told.append("end")

    def kill(self) -> None:
        """Note it."""
        self.told.append("kill")


def test_time_of_a_reload(tmp_path: Path) -> None:
    """One that loads for longer is killed, what served serves on, and the next that is asked for begins."""
    run = RunDirectory(tmp_path)
    run.state.mkdir()
    begun: list[Any] = []
    now = [0.0]

    def begin(number: int) -> Generation:
        begun.append(Loading(run, number))
        return cast("Generation", begun[-1])

    succession = Reloader(run, begin, 10.0, lambda: now[0])
    first = begun[0]
    succession.request_reload()
    succession.advance(ready=True)
    now[0] = 10.0
    succession.advance(ready=True)
    assert begun[1].told == []
    now[0] = 10.1
    succession.advance(ready=True)
    assert begun[1].told == ["kill"]
    assert succession.serving is first
    assert not succession.is_changing
    assert begun[1].child in succession.children  # it is still to be reaped
    begun[1].child.returncode = -9
    succession.request_reload()
    succession.advance(ready=True)
    assert not begun[1].folder.path.exists()
    begun[2].loaded = True
    succession.advance(ready=True)
    assert succession.serving is begun[2]
    assert begun[0].told == ["end"]
    assert run.socket.readlink() == begun[2].folder.socket
    assert run.documents.readlink() == begun[2].folder.documents


def test_reload_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """After its time what served before serves on, and nothing of the new one is left."""
    require_nginx()
    gate = tmp_path / "gate"
    gate.touch()
    variables = {"STANDIN_GATE": str(gate), "SAGEMAKER_RELOAD_TIMEOUT_SECONDS": "1"}
    with Server(tmp_path, **variables) as server:
        server.wait_ready()
        children = set(children_of(server.process.pid))
        gate.unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "SAGEMAKER_RELOAD_TIMEOUT_SECONDS=1" in server.text, timeout=60)
        wait_until(lambda: set(children_of(server.process.pid)) == children, timeout=60)
        assert server.invoke("1").body == b"1"
