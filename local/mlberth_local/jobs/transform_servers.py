"""The model servers of a transform job: one for each container of the model, on each instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlberth_local.jobs.cluster import Member, members
from mlberth_local.pipelines import container_names, place
from mlberth_local.store.resources import Resource


@dataclass(frozen=True)
class Server:
    """One model server."""

    member: Member
    """The instance that it belongs to."""
    host: str
    """Its name on the engine: `algo-1`, or `algo-1-2` for the second container of a pipeline there."""
    name: str
    """Its container's."""
    place: str
    """How messages call its container, if it is one of a pipeline."""
    container: Mapping[str, Any]
    port: int
    stream: str
    """Its log stream."""


def servers_of(job: Resource) -> list[list[Server]]:
    """Return the servers of each instance, in the order in which requests pass them."""
    containers = job.state["containers"]
    ports = iter(job.state["ports"])
    return [
        [_server(job, member, number, next(ports)) for number in range(len(containers))]
        for member in members(job.request["TransformResources"])
    ]


def _server(job: Resource, member: Member, number: int, port: int) -> Server:
    containers = job.state["containers"]
    names = container_names(containers)
    host, stream = member.name, instance_stream(job, member)
    if len(containers) > 1:
        host, stream = f"{host}-{number + 1}", f"{stream}/{names[number]}"
    return Server(member, host, names[number], place(names, number), containers[number], port, stream)


def count_of(job: Resource) -> int:
    """Return how many servers a job has."""
    return len(members(job.request["TransformResources"])) * len(job.state["containers"])


def instance_stream(job: Resource, member: Member) -> str:
    """Return what the log streams of an instance begin with."""
    return f"{job.name}/{member.name}-{job.state['stream']}"
