"""The output of containers, followed into the file of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlberth_local.engines.base import nothing
from mlberth_local.engines.docker_log import DockerLog
from mlberth_local.log_files import read_events


class Container:
    """A container that has written lines; the engine goes away after so many of them, as often as is said."""

    def __init__(self, name: str, lines: list[str], losses: list[int]) -> None:
        self.name = self.id = name
        self._lines, self._losses = lines, losses

    def logs(self, **_: Any) -> Iterator[bytes]:
        """Give the whole output, each line with its time."""
        end = self._losses.pop(0) if self._losses else len(self._lines)
        for number, line in enumerate(self._lines[:end]):
            yield f"2026-01-02T03:04:{number:02}.5Z {line}\n".encode()
        if end < len(self._lines):
            raise ConnectionError("the engine has gone away")


def follow(container: Container, path: Path) -> None:
    """Follow a container for as long as the engine answers, as each daemon does it anew."""
    DockerLog(container, path, nothing).join()


def messages(path: Path) -> list[str]:
    """Return what the file has."""
    return [event.message for event in read_events(path)]


@pytest.mark.parametrize("losses", [[], [0], [2], [2, 4], [5, 0, 3]], ids=str)
def test_a_stream_of_several_containers(tmp_path: Path, losses: list[int]) -> None:
    """Each attempt's lines are there once, whenever the daemon was killed, equal ones of the others too."""
    path, lines = tmp_path / "stream.jsonl", ["same", "a", "b", "same", "c", "d"]
    for attempt in range(3):
        container = Container(f"attempt-{attempt}", lines[attempt:], list(losses))
        for _ in range(len(losses) + 1):
            follow(container, path)
        follow(container, path)
    assert messages(path) == lines + lines[1:] + lines[2:]


def test_a_kill_between_two_attempts(tmp_path: Path) -> None:
    """A daemon that ends before the first line has come, or in the middle of writing one, changes nothing."""
    path = tmp_path / "stream.jsonl"
    follow(Container("first", ["a", "b"], []), path)
    second = Container("second", ["c", "d"], [0, 1])
    follow(second, path)
    follow(second, path)
    with path.open("a") as file:
        file.write('{"t": 1, "m": "d')
    follow(second, path)
    assert messages(path) == ["a", "b", "c", "d"]


def test_what_a_daemon_without_notes_has_followed(tmp_path: Path) -> None:
    """Its lines are passed over: they are of the container that runs."""
    path = tmp_path / "stream.jsonl"
    container = Container("first", ["a", "b", "c"], [2])
    follow(container, path)
    path.with_name(f"{path.name}.container").unlink()
    follow(container, path)
    assert messages(path) == ["a", "b", "c"]
