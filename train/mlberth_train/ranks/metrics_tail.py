"""The metrics of a host on their way to the leader, who keeps those of all hosts in one file.

A worker's agent sends the lines of its file as they come, so that the leader has them even if the host dies.
The host keeps its file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

_MOST = 128 * 1024
"""Bytes in a message; a longer line stays in the file of its host."""


class MetricsTail:
    """Reads the lines that are new in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def read(self) -> list[str]:
        """Return the next whole lines, none if there are no more for now."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._offset)
                piece = file.read(_MOST)
        except OSError:  # the program has logged nothing yet
            return []
        whole, end, rest = piece.rpartition(b"\n")
        if not end:
            if len(rest) == _MOST:  # the middle of a line that is too long
                self._offset += _MOST
            return []
        self._offset += len(whole) + 1
        return whole.decode(errors="replace").split("\n")


def append(file: Path, lines: Iterable[str]) -> None:
    """Append what are records among the lines of another host; a disk that refuses costs metrics alone."""
    text = "".join(f"{line}\n" for line in lines if _is_record(line))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, text.encode())  # at once, as the leader's own processes do
        finally:
            os.close(descriptor)
    except OSError:
        return


def _is_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
