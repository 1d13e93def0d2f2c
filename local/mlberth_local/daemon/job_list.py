"""The jobs and endpoints of a home, read from the store and the log files, with or without a daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from mlberth.errors import Fault, PlatformError
from mlberth_local import log_files
from mlberth_local.daemon.endpoint_status import instances_of
from mlberth_local.daemon.home import Home
from mlberth_local.endpoints.instances import log_group
from mlberth_local.endpoints.record import KIND as ENDPOINT
from mlberth_local.recommendations.record import KIND as RECOMMENDATION
from mlberth_local.recommendations.record import LOG_GROUP as RECOMMENDATION_LOGS
from mlberth_local.store.database import Database
from mlberth_local.store.resources import NoSuchResourceError, Query, Resource, Resources

LOG_GROUPS = {
    "training-job": "/aws/sagemaker/TrainingJobs",
    "processing-job": "/aws/sagemaker/ProcessingJobs",
    "transform-job": "/aws/sagemaker/TransformJobs",
    RECOMMENDATION: RECOMMENDATION_LOGS,
}
"""The kinds of jobs, and where their streams are."""
KINDS = (*LOG_GROUPS, ENDPOINT)
STOP_OPERATIONS = {
    "training-job": ("StopTrainingJob", "TrainingJobName"),
    "processing-job": ("StopProcessingJob", "ProcessingJobName"),
    "transform-job": ("StopTransformJob", "TransformJobName"),
    RECOMMENDATION: ("StopInferenceRecommendationsJob", "JobName"),
}
_SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def open_resources(home: Home) -> Iterator[Resources]:
    """Open the store of a home that has one. Raises `PlatformError` if it has none."""
    path = home.folder / "mlberth.sqlite"
    if not path.exists():
        raise PlatformError(Fault(f"home {home.folder}", "nothing has run here", "", "Run: mlberth up"))
    database = Database(path)
    try:
        yield Resources(database)
    finally:
        database.close()


def jobs(resources: Resources, *, finished: bool, limit: int) -> list[Resource]:
    """Return jobs and endpoints, newest first: those that run or wait, or the `finished` ones too."""
    if finished:
        found = [job for kind in KINDS for job in resources.list(Query(kind, limit=limit))[0]]
    else:
        found = [job for kind in KINDS for job in resources.unfinished(kind)]
    return sorted(found, key=lambda job: -job.created)[:limit]


def table(found: list[Resource]) -> str:
    """Return the lines of a table of jobs and endpoints."""
    rows = [("NAME", "KIND", "CREATED", "STATUS")]
    for job in found:
        created = datetime.fromtimestamp(job.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        secondary = "" if job.finished else job.state.get("secondary") or ""
        secondary = "" if secondary == job.status else secondary
        if job.kind == ENDPOINT and not job.finished:
            secondary = instances_of(job)
        rows.append((job.name, job.kind, created, f"{job.status} {secondary}".strip()))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)] + [row[3]] for row in rows
    )
    return "\n".join("  ".join(line) for line in lines)


def find_job(resources: Resources, name: str) -> Resource:
    """Return the newest job or endpoint of a name. Raises `PlatformError` that names the newest there are."""
    found = []
    for kind in KINDS:
        try:
            found.append(resources.get(kind, name))
        except NoSuchResourceError:
            continue
    if not found:
        there = ", ".join(job.name for job in jobs(resources, finished=True, limit=5)) or "none"
        raise PlatformError(Fault(name, "there is none of this name", "", f"The newest are: {there}."))
    return max(found, key=lambda job: job.created)


def has_ended(resources: Resources, job: Resource) -> bool:
    """Return whether nothing more will come of a job or an endpoint."""
    try:
        return resources.get(job.kind, job.name).finished
    except NoSuchResourceError:  # endpoints are deleted
        return True


@dataclass
class _Stream:
    name: str
    position: int = 0


def log_lines(
    home: Home,
    job: Resource,
    is_finished: Callable[[], bool] | None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[str, str]]:
    """Yield stream and line of a job's logs, by time; with `is_finished`, until it is and all is read."""
    streams: dict[str, _Stream] = {}
    while True:
        last = is_finished is None or is_finished()
        yield from _new_lines(home, job, streams)
        if last:
            return
        sleep(_SECONDS_BETWEEN_LOOKS)


def _new_lines(home: Home, job: Resource, streams: dict[str, _Stream]) -> Iterator[tuple[str, str]]:
    folder = home.folder / "logs"
    group = log_group(job.name) if job.kind == ENDPOINT else LOG_GROUPS[job.kind]
    events = []
    for name in log_files.streams(folder, group, "" if job.kind == ENDPOINT else f"{job.name}/"):
        stream = streams.setdefault(name, _Stream(name))
        for event in log_files.read_events(log_files.stream_file(folder, group, name), stream.position):
            events.append((event.time, name, event.message))
            stream.position = event.end
    for _, name, message in sorted(events, key=lambda event: event[0]):
        yield name, message
