"""The parts of the platform that a job needs, and its own record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlberth_local.engines.base import Engine
from mlberth_local.engines.process import ProcessEngine
from mlberth_local.images import FindImage, as_named
from mlberth_local.inputs.objects import Objects
from mlberth_local.jobs.capacity import Capacity
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resource, Resources


@dataclass(frozen=True)
class JobContext:
    """What every job works with."""

    resources: Resources
    metrics: Metrics
    engine: Engine
    helpers: ProcessEngine
    """Runs what feeds a job's pipes."""
    objects: Objects
    runs: Path
    """The folder of the trees."""
    logs: Path
    capacity: Capacity
    clock: Callable[[], float]
    region: str
    find_image: FindImage = as_named
    host_environ: Mapping[str, str] = field(default_factory=dict)
    """Lets programs on the hosts reach the platform: endpoint, keys, region."""
    in_containers: bool = True
    """Whether hosts are containers: folders are mounted, and /opt/ml is each one's own."""
    owner: tuple[int, int] | None = None
    """The user and group that a job's files belong to, if the engine's are another's."""
    spot_seconds: float = 0.0
    """How long a spot instance stays on average; 0 for ever."""
    stop_seconds: float = 120.0
    """Between SIGTERM and SIGKILL."""
    measure_seconds: float = 10.0
    """Between two measurements of what the hosts of a job use."""

    def close(self) -> None:
        """Close what the engines have open; runs go on."""
        self.engine.close()
        self.helpers.close()


class JobRecord:
    """The record of one job. What is committed here is what a later daemon finds."""

    def __init__(self, context: JobContext, kind: str, name: str) -> None:
        self.context = context
        self.kind = kind
        self.name = name

    def read(self) -> Resource:
        """Return the job as it is now."""
        return self.context.resources.get(self.kind, self.name)

    @contextmanager
    def changing(self) -> Iterator[Resource]:
        """Hand out the job, and commit what the block has made of it."""
        with self.context.resources.changing(self.kind, self.name) as job:
            yield job
            job.modified = self.context.clock()

    def update(self, **values: Any) -> None:
        """Commit some values of its state."""
        with self.changing() as job:
            job.state.update(values)

    @property
    def run_name(self) -> str:
        """The name of the present attempt's run: the same at every start of the daemon."""
        return f"{self.kind}.{self.name}.{self.read().state.get('attempt', 1)}"

    @property
    def folder(self) -> Path:
        """The folder of the trees of the present attempt."""
        return self.context.runs / self.run_name

    def changes(self, host: str, channel: str) -> Path | None:
        """Return the folder for what a host writes into a channel; None if there are no overlays."""
        folder = self.folder
        return folder / "changes" / host / channel if self.context.engine.has_overlays(folder) else None


def new_state(now: float, secondary: str = "", message: str = "") -> dict[str, Any]:
    """Return the state of a job that has just been requested."""
    state: dict[str, Any] = {"phase": "waiting", "attempt": 1, "stream": int(now)}
    if secondary:
        enter(state, secondary, message, now)
    return state


def enter(state: dict[str, Any], secondary: str, message: str, now: float) -> None:
    """Note that a job has come to a secondary status; the one before ends."""
    transitions = state.setdefault("transitions", [])
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    state["secondary"] = secondary
    transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})


def begin_stopping(job: Resource, now: float) -> None:
    """Note that a job has to stop."""
    if job.status != "Stopping":
        job.status = "Stopping"
        if "secondary" in job.state:
            enter(job.state, "Stopping", "Stopping the training job", now)
