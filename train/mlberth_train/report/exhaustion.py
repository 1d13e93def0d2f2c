"""Memory and disks that ran out while a job ran, in words that a user can act on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlberth._typing import NamedTuple
from mlberth.contract.resources import memory_limit
from mlberth.process.exhaustion import full_disks, oom_kills

_MIB = 1024 * 1024


class Exhaustion(NamedTuple):
    """What ran out."""

    oom_kills: int
    """How many processes the kernel killed for lack of memory."""
    memory_limit: int
    """What the container may use, in bytes."""
    full: list[Path]
    """The folders of the job on disks that are full."""

    @classmethod
    def since(cls, kills_before: int | None, folders: Iterable[Path]) -> Exhaustion:
        """Look what ran out since the kernel's count of kills was `kills_before`."""
        kills = 0 if kills_before is None else (oom_kills() or 0) - kills_before
        return cls(kills, memory_limit(), full_disks(folders))

    @property
    def hints(self) -> list[str]:
        """One line for each shortage."""
        hints = []
        if self.oom_kills:
            killed = "a process" if self.oom_kills == 1 else f"{self.oom_kills} processes"
            limit = f"which may use {self.memory_limit // _MIB} MiB"
            hints.append(f"Out of memory: the kernel killed {killed} of this container, {limit}.")
        if self.full:
            hints.append(f"No space is left on the disk of {', '.join(map(str, self.full))}.")
        return hints
