"""PID 1 of a container: signals, orphans, exit codes, terminals."""

from __future__ import annotations

import time

import pytest
from tests.images.conftest import Image
from tests.images.engine import HARDENED, Engine
from tests.support import wait_until

FOREVER = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def test_any_command_runs(engine: Engine, image: Image) -> None:
    """A command with its arguments runs as it is, and its exit code is the container's."""
    done = engine.run(image("train", "base"), "sh", "-c", 'printf "%s|" "$@"; exit 3', "-", "a b", "$HOME")
    assert (done.returncode, done.stdout) == (3, "a b|$HOME|")


def test_unknown_command(engine: Engine, image: Image) -> None:
    """A command that is not there gets one clear line, and the exit code that Docker has for it."""
    done = engine.run(image("train", "base"), "sail")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "mlberth run: found no such command: 'sail'; expected train, serve, process, or a program on PATH.\n"
    )


@pytest.mark.parametrize("options", [(), HARDENED], ids=["root", "hardened"])
def test_stop_reaches_the_program(options: tuple[str, ...], engine: Engine, image: Image) -> None:
    """`docker stop` gives the program its SIGTERM, and its exit code comes back."""
    container = engine.start(image("train", "base"), "sh", "-c", FOREVER, options=options)
    wait_until(lambda: "ready" in container.logs())
    assert container.stop() == 7


def test_stop_while_starting_is_not_lost(engine: Engine, image: Image) -> None:
    """A stop that comes while we are still loading ends us at once, though PID 1 has no default action."""
    code = (
        "import time, mlberth.__main__ as command\n"
        "def slow(_):\n"
        "    print('loading', flush=True)\n"
        "    time.sleep(60)\n"
        "command.find_commands = slow\n"
        "command.main(['run', 'true'])"
    )
    container = engine.start(image("train", "base"), "-c", code, options=["--entrypoint", "python"])
    wait_until(lambda: "loading" in container.logs())
    began = time.monotonic()
    assert container.stop() == 143
    assert time.monotonic() - began < 9  # the engine kills after 10 s


def test_orphans_are_reaped(engine: Engine, image: Image) -> None:
    """A process that lost its parent and ended leaves no zombie behind."""
    orphans = "for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 1; cat /proc/[0-9]*/stat"
    done = engine.run(image("train", "base"), "sh", "-c", orphans)
    states = [line.rpartition(")")[2].split()[0] for line in done.stdout.splitlines()]
    assert states
    assert "Z" not in states


def test_terminal_works(engine: Engine, image: Image) -> None:
    """`docker run --interactive --tty` gives a shell that reads from its terminal."""
    container = engine.start(
        image("train", "base"), "sh", "-c", "test -t 0 && stty size && echo on a terminal", options=["--tty"]
    )
    assert container.wait() == 0
    assert "on a terminal" in container.logs()


def test_users_own_train_on_path_wins(engine: Engine, image: Image) -> None:
    """An image made for another base keeps its own `train` when that is first on PATH."""
    program = (
        "mkdir /opt/program && cd /opt/program && printf '#!/bin/sh\\necho mine' >train && chmod +x train"
    )
    done = engine.run(
        image("train", "base"),
        "-c",
        f"{program} && PATH=/opt/program:$PATH exec mlberth run train",
        options=["--entrypoint", "sh"],
    )
    assert done.stdout == "mine\n"
