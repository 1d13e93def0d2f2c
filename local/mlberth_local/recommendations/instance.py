"""The instance of a benchmark: an endpoint of its own, which is there for the test alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mlberth_local.endpoints import deployment
from mlberth_local.endpoints.endpoints import Endpoints
from mlberth_local.endpoints.instances import host_names, run_name, serverless_limits
from mlberth_local.endpoints.record import (
    KIND,
    READY,
    Deployment,
    EndpointState,
    Fleet,
    Instance,
    keep,
    state_of,
)
from mlberth_local.engines.base import Usage
from mlberth_local.job_failure import JobFailure
from mlberth_local.jobs.capacity import Capacity
from mlberth_local.recommendations.record import VARIANT, Benchmark
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

_LOOK_SECONDS = 0.05
_NOTICE_SECONDS = 3.0
TAG = "mlberth:inference-recommendations-job"
"""Of the endpoint: the job that it belongs to."""


def limits_of(benchmark: Benchmark, capacity: Capacity) -> dict[str, float]:
    """Return the size of a benchmark's instance, at most all there is, as `Fleet.limits` has it."""
    if benchmark.serverless:
        size = serverless_limits(benchmark.serverless["MemorySizeInMB"])
        return {"cpus": min(size.cpus, capacity.cpus), "memory": min(size.memory, capacity.memory)}
    limits = capacity.limits(benchmark.instance_type)
    return {"cpus": limits.cpus, "memory": limits.memory}


class BenchmarkInstance:
    """Brings the one instance of a benchmark up, and lets it go. A later daemon may make each call again."""

    def __init__(
        self, endpoints: Endpoints, job: Resource, benchmark: Benchmark, arn: str, look: Callable[[], object]
    ) -> None:
        """Work on the endpoint `arn`; `look` is called while something is waited for, and may raise."""
        self._endpoints = endpoints
        self._parts = endpoints.context.parts
        self._job = job
        self._benchmark = benchmark
        self._arn = arn
        self._look = look
        self.limits = limits_of(benchmark, self._parts.capacity)

    def start(self) -> int:
        """Return the port of 127.0.0.1 at which the instance answers, once it does. Raises JobFailure."""
        name, now = self._benchmark.endpoint, self._parts.clock()
        tags = [{"Key": TAG, "Value": self._job.name}]
        request = {"EndpointName": name, "EndpointConfigName": name, "Tags": tags}
        endpoint = Resource(KIND, name, self._arn, now, now, deployment.CREATING, request)
        state = EndpointState()
        new = Deployment(1, name, {"EndpointConfigName": name}, [self._fleet()], started=now)
        deployment.begin(endpoint, state, new, now)
        keep(endpoint, state)
        try:
            self._endpoints.create(endpoint)
        except NameTakenError:
            raise JobFailure(f"ClientError: an endpoint {name} is there already") from None
        return self._await_ready()

    def _fleet(self) -> Fleet:
        container: Mapping[str, Any] = self._job.state["container"]
        environment = {**(container.get("Environment") or {}), **self._benchmark.environment}
        plan = {
            "VariantName": VARIANT,
            "ModelName": self._job.request["InputConfig"]["ModelName"],
            "InstanceType": self._benchmark.instance_type or "local",
            "InitialInstanceCount": 1,
        }
        return Fleet(
            VARIANT,
            plan,
            [{**container, "Environment": environment}],
            1.0,
            1,
            isolated=bool(self._job.state["isolated"]),
            limits=self.limits,
        )

    def _await_ready(self) -> int:
        while True:
            self._look()
            endpoint = self._find()
            if endpoint is None:
                raise JobFailure(f"ClientError: the endpoint {self._benchmark.endpoint} was deleted")
            state = state_of(endpoint)
            if endpoint.finished:
                raise JobFailure(state.reason or "InternalServerError: its instance did not get ready")
            ready = [instance for _, instance in state.instances() if instance.phase == READY]
            if endpoint.status == deployment.IN_SERVICE and ready:
                return ready[0].ports[0]
            time.sleep(_LOOK_SECONDS)

    def _find(self) -> Resource | None:
        """Return the row of the endpoint; None if there is none, or somebody else's."""
        try:
            found = self._parts.resources.get(KIND, self._benchmark.endpoint)
        except NoSuchResourceError:
            return None
        return found if self._is_ours(found) else None

    def _is_ours(self, endpoint: Resource) -> bool:
        return {"Key": TAG, "Value": self._job.name} in (endpoint.request.get("Tags") or [])

    def problem(self, port: int) -> str:
        """Return why the instance at a port serves no longer; empty if it does."""
        deadline = time.monotonic() + _NOTICE_SECONDS
        while True:
            endpoint = self._find()
            if endpoint is None:
                return f"ClientError: the endpoint {self._benchmark.endpoint} was deleted"
            state = state_of(endpoint)
            for fleet, instance in state.instances():
                if instance.ports[0] == port and instance.phase == READY and self._runs(fleet, instance):
                    return ""
            # The endpoint's own driver notices it a moment later, and knows why.
            if reason := next((one.reason for one in state.deployments if one.reason), ""):
                return reason
            if time.monotonic() > deadline:
                return "AlgorithmError: its instance has ended under the load"
            self._look()
            time.sleep(_LOOK_SECONDS)

    def _runs(self, fleet: Fleet, instance: Instance) -> bool:
        run, host = run_name(self._benchmark.endpoint, instance.name, 1), host_names(fleet)[0]
        return self._parts.engine.states(run, (host,))[host].is_running

    def usage(self, port: int) -> Usage | None:
        """Return what the instance at a port has used up to now; None if the engine does not know."""
        endpoint = self._find()
        for _, instance in state_of(endpoint).instances() if endpoint else ():
            if instance.ports[0] == port:
                found = self._parts.engine.usage(run_name(self._benchmark.endpoint, instance.name, 1))
                return next(iter(found.values()), None)
        return None

    def end(self) -> None:
        """Let the instance go, whatever has become of it; nobody need wait for it."""

        def apply(endpoint: Resource, state: EndpointState) -> None:
            if state.stage != deployment.DELETING and self._is_ours(endpoint):
                deployment.begin_deleting(endpoint, state, self._parts.clock())

        try:
            self._endpoints.change(self._benchmark.endpoint, apply)
        except NoSuchResourceError:
            return

    def is_gone(self) -> bool:
        """Return whether nothing is left of it."""
        return self._find() is None
