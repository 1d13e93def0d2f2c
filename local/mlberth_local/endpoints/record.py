"""The record of an endpoint: its deployments, their fleets, and the instances of those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mlberth_local.endpoints import guardrails
from mlberth_local.store.resources import Resource, Resources

KIND = "endpoint"
NEW, STARTING, READY, DRAINING, STOPPING = "new", "starting", "ready", "draining", "stopping"
"""The phases of an instance: named; programs started; in traffic; out of it; signalled."""
_LONGEST_TIMELINE = 200


@dataclass
class Instance:
    """One instance of a variant: a run of the engine for each container. Times are epoch seconds."""

    name: str
    """Unlike that of any other instance, ever; its log stream is `<variant>/<name>`."""
    ports: list[int]
    """Of 127.0.0.1, one for each container."""
    phase: str = NEW
    since: float = 0.0
    """When the phase began."""
    served: bool = False
    """Whether it has ever been ready."""
    problem: str = ""
    """Why it gets no requests although it is ready: how it fails its health checks; empty if it passes."""
    problem_container: int = 1
    """The number of the container that has the problem."""
    problem_since: float = 0.0


@dataclass
class Fleet:
    """The instances of one variant in one deployment."""

    variant: str
    plan: dict[str, Any]
    """The ProductionVariant of the configuration."""
    containers: list[dict[str, Any]]
    """Those of the model, as it was when the deployment began: it may be deleted."""
    weight: float
    desired: int
    """How many instances there shall be."""
    full: int | None = None
    """While traffic goes from one deployment to another: how many there are if it has all of it."""
    shadow: bool = False
    direct: bool = False
    """Whether requests name one of the containers."""
    isolated: bool = False
    limits: dict[str, float] | None = None
    """`cpus` and `memory` in bytes of each instance, whatever MLBERTH_INSTANCE_LIMITS says."""
    instances: list[Instance] = field(default_factory=list)
    failures: int = 0
    """How many instances have failed one after another."""
    retry_at: float = 0.0
    reason: str = ""
    """Why the last instance did not get ready; empty once one has."""

    @property
    def is_serverless(self) -> bool:
        """Whether it has an instance only while there are requests."""
        return bool(self.plan.get("ServerlessConfig"))

    @property
    def ready(self) -> int:
        """How many instances are in traffic."""
        return sum(instance.phase == READY for instance in self.instances)

    @property
    def is_whole(self) -> bool:
        """Whether it has the instances that it shall have, and no others."""
        return self.ready == len(self.instances) == self.desired


@dataclass
class Deployment:
    """What one endpoint configuration has become."""

    number: int
    """1, 2, …: two may be of the same configuration."""
    config_name: str
    config: dict[str, Any]
    """The request of CreateEndpointConfig, without its variants: the configuration may be deleted."""
    fleets: list[Fleet]
    share: float = 0.0
    """Its part of the endpoint's requests, 0 to 1."""
    started: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether each fleet is."""
        return all(fleet.is_whole for fleet in self.fleets)

    @property
    def is_gone(self) -> bool:
        """Whether there is no instance left."""
        return not any(fleet.instances for fleet in self.fleets)

    @property
    def reason(self) -> str:
        """Why the first of its fleets that fails does so."""
        return next((fleet.reason for fleet in self.fleets if fleet.reason), "")

    @property
    def capacity(self) -> int:
        """How many instances its production variants have if it has all traffic."""
        return sum(
            fleet.desired if fleet.full is None else fleet.full for fleet in self.fleets if not fleet.shadow
        )

    @property
    def part(self) -> float:
        """The part of its instances that it shall have now, 0 to 1: the least of its variants."""
        return min((fleet.desired / fleet.full for fleet in self.fleets if fleet.full), default=1.0)

    def resize(self, part: float) -> None:
        """Let each variant have a part of its instances, 0 to 1."""
        for fleet in self.fleets:
            fleet.full = fleet.desired if fleet.full is None else fleet.full
            fleet.desired = guardrails.count(part, fleet.full)

    def settle(self) -> None:
        """Have all traffic."""
        self.share = 1.0
        for fleet in self.fleets:
            fleet.full = None

    def retire(self) -> None:
        """Let all instances go."""
        for fleet in self.fleets:
            fleet.desired = 0


@dataclass
class EndpointState:
    """How far an endpoint is."""

    deployments: list[Deployment] = field(default_factory=list)
    """The one that serves, and after it the one that is being made."""
    stage: str = ""
    """A key of `deployment.STAGES`, or empty: nothing is being changed."""
    since: float = 0.0
    """When the stage began."""
    reason: str = ""
    """Why the last change has failed."""
    step: int = 0
    """Of the steps of `guardrails`, while a deployment follows another."""
    before: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Weight and number of instances of each variant before they are changed, for a change that fails."""
    deployment_config: dict[str, Any] | None = None
    """How the last deployment goes, or went: the platform's `DeploymentConfig`."""
    timeline: list[dict[str, Any]] = field(default_factory=list)
    """What has happened: `time`, `status` and `message`, oldest first."""

    @property
    def serving(self) -> Deployment | None:
        """The deployment that was there first; None before there is one that has traffic."""
        first = self.deployments[0] if self.deployments else None
        return first if first and (first.share > 0 or len(self.deployments) > 1) else None

    @property
    def pending(self) -> Deployment | None:
        """The deployment that is being made, if there is one."""
        last = self.deployments[-1] if self.deployments else None
        return None if last is self.serving else last

    def instances(self) -> Iterator[tuple[Fleet, Instance]]:
        """Yield every instance with its fleet."""
        for deployment in self.deployments:
            for fleet in deployment.fleets:
                for instance in fleet.instances:
                    yield fleet, instance

    def enter(self, stage: str, now: float) -> None:
        """Begin a stage."""
        self.stage, self.since = stage, now

    def note(self, status: str, message: str, now: float) -> None:
        """Add to the timeline."""
        self.timeline.append({"time": now, "status": status, "message": message})
        del self.timeline[:-_LONGEST_TIMELINE]


def state_of(resource: Resource) -> EndpointState:
    """Return the state of an endpoint's row."""
    found = {
        one.name: resource.state[one.name] for one in fields(EndpointState) if one.name in resource.state
    }
    deployments = [_deployment(one) for one in found.pop("deployments", [])]
    before = {name: (pair[0], pair[1]) for name, pair in found.pop("before", {}).items()}
    return EndpointState(deployments, before=before, **found)


def _deployment(values: dict[str, Any]) -> Deployment:
    fleets = [
        Fleet(**{**fleet, "instances": [Instance(**instance) for instance in fleet["instances"]]})
        for fleet in values["fleets"]
    ]
    return Deployment(**{**values, "fleets": fleets})


def keep(resource: Resource, state: EndpointState) -> None:
    """Write a state into its row, beside what others keep there."""
    resource.state |= asdict(state)


class EndpointRecord:
    """The record of one endpoint. What is committed here is what a later daemon finds."""

    def __init__(self, resources: Resources, name: str) -> None:
        self._resources = resources
        self.name = name

    def read(self) -> Resource:
        """Return the endpoint's row. Raises NoSuchResourceError."""
        return self._resources.get(KIND, self.name)

    @contextmanager
    def changing(self, now: float) -> Iterator[tuple[Resource, EndpointState]]:
        """Hand out the row and its state, and commit what the block has made of both."""
        with self._resources.changing(KIND, self.name) as resource:
            state = state_of(resource)
            yield resource, state
            keep(resource, state)
            resource.modified = now

    def delete(self) -> None:
        """Forget the endpoint."""
        self._resources.delete(KIND, self.name)
