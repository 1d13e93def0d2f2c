"""The protocol of engines: runs of one or several hosts, found again by name after a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class EngineError(Exception):
    """The engine cannot do it: it does not answer, has no such image, or refuses. The text is for people."""


class ImageMissingError(EngineError):
    """There is no such image; the text names those that there are."""


@dataclass(frozen=True)
class Mount:
    """A folder of this machine inside a host."""

    source: Path
    target: str
    """Absolute, below /opt/ml."""
    read_only: bool = False
    changes: Path | None = None
    """A folder for what is written there, if the source must stay as it is: an overlay, and no copy."""


@dataclass(frozen=True)
class Limits:
    """How much of this machine a host may use."""

    cpus: float
    memory: int
    """In bytes."""


@dataclass(frozen=True)
class Host:
    """One host of a run."""

    name: str
    """`algo-1`, …; the hosts of a run know one another by these names."""
    base: Path
    """The folder that stands for /opt/ml. What a program is given lies in it already."""
    mounts: tuple[Mount, ...]
    environ: Mapping[str, str]
    log: Path
    """The file that its output is appended to, as `log_files` has it."""
    port: int | None = None
    """The port of 127.0.0.1 that leads to its program, if that serves."""
    image: str = ""
    """If it is another one than the run's."""
    gpus: tuple[str, ...] | None = None
    """The numbers of the GPUs that it may use; None if the machine is not known to have any."""
    limits: Limits | None = None
    """None if it may use all of the machine."""


@dataclass(frozen=True)
class Run:
    """What to run on the hosts of a job."""

    name: str
    """Letters, digits, `-` and `.`; the same for the same attempt of the same job, always."""
    image: str
    entrypoint: tuple[str, ...]
    """Replaces the image's own, if it is not empty."""
    arguments: tuple[str, ...]
    hosts: tuple[Host, ...]
    isolated: bool = False
    """Whether hosts have no network but the loopback device."""

    @property
    def images(self) -> list[str]:
        """The images of its hosts."""
        return sorted({host.image or self.image for host in self.hosts})


@dataclass(frozen=True)
class HostState:
    """How far a host is. Times are seconds since the epoch."""

    started: float | None = None
    """None before it is started."""
    ended: float | None = None
    exit_code: int | None = None
    """128 + n for a signal; None while it runs, and if nobody knows it."""
    problem: str = ""
    """Why it could not be started, or how its end was lost."""

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.started is not None and self.ended is None


@dataclass(frozen=True)
class Usage:
    """How much of this machine a host uses."""

    cpu_seconds: float
    """All that its programs have used since they were started."""
    memory: int
    """In bytes, now."""

    def __add__(self, other: Usage) -> Usage:
        """Return what both use."""
        return Usage(self.cpu_seconds + other.cpu_seconds, self.memory + other.memory)


def nothing() -> None:
    """Do nothing: for those who need not know."""


class Engine(Protocol):
    """An engine. All methods may be called again for the same run, also by a later process."""

    def has_overlays(self, folder: Path) -> bool:
        """Return whether mounts may have `changes` below a folder; without them, files are copied."""

    def check_image(self, image: str) -> None:
        """Raise ImageMissingError, or EngineError if the engine does not answer."""

    def start(self, run: Run) -> None:
        """Start the hosts that have not been started yet. Raises EngineError."""

    def watch(self, run: Run, on_end: Callable[[], None] = nothing) -> None:
        """Go on with what this process does for a run that an earlier one has started.

        `on_end` is called, in another thread, soon after each host's end; it may be missed, if the engine is.
        """

    def states(self, name: str, hosts: tuple[str, ...]) -> dict[str, HostState]:
        """Return how far each host of a run is. Raises EngineError if the engine does not answer."""

    def usage(self, name: str) -> dict[str, Usage]:
        """Return what each host of a run uses, of those that run. Raises EngineError."""

    def stop(self, name: str) -> None:
        """Send SIGTERM to the first process of each host."""

    def kill(self, name: str) -> None:
        """Kill every process of each host."""

    def flush(self, name: str) -> None:
        """Return when everything that the ended hosts of a run have written is in their logs."""

    def remove(self, name: str, owner: tuple[int, int] | None = None) -> None:
        """Remove a run, running or not, with all that the engine made for it.

        What its hosts have written into their mounts then belongs to `owner`, a user and a group.
        """

    def answers(self) -> bool:
        """Return whether it takes calls; one that is being stopped may end its hosts before it goes away."""

    def names(self) -> set[str]:
        """Return the runs of this home that the engine has anything of."""

    def close(self) -> None:
        """Close connections; runs go on."""
