"""nginx's worker processes, as the supervisor sees them: whether one has died that nobody told to end.

nginx starts another by itself, but what the dead one had in flight stays counted in the memory that they
share: a few such deaths, and the limit of requests in flight refuses everybody. A reload of nginx begins
with a memory of its own, and loses no request.
"""

from __future__ import annotations

from pathlib import Path

from mlberth.process.descendants import descendants


class NginxWorkers:
    """Call `has_lost_one` often."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._living: set[int] = set()
        self._leaving: set[int] = set()

    def has_lost_one(self) -> bool:
        """Return whether one has ended since the last time that was not expected to."""
        now = _children(self._master)
        lost = self._living - self._leaving - now
        self._leaving &= now
        self._living = now
        return bool(lost)

    def expect_end(self) -> None:
        """Expect all that live now to end, as they do when nginx is reloaded."""
        self._leaving |= _children(self._master)


def _children(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:  # not every kernel has it
        return set(descendants(pid))
