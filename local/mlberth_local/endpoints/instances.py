"""One instance: what runs for each of its containers, whether it is ready, and why it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlberth.contract.layout import DEFAULT_BASE
from mlberth.errors import PortInUseError
from mlberth_local import log_files
from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.multi_model import ENVIRON, INSIDE, is_multi_model, models_folder
from mlberth_local.endpoints.record import (
    DRAINING,
    KIND,
    NEW,
    READY,
    STARTING,
    STOPPING,
    Fleet,
    Instance,
)
from mlberth_local.engines.base import EngineError, Host, HostState, ImageMissingError, Limits, Mount, Run
from mlberth_local.engines.trees import remove_tree
from mlberth_local.errors import ServiceError
from mlberth_local.gateway import table
from mlberth_local.inputs.model_data import bring_model
from mlberth_local.job_failure import JobFailure
from mlberth_local.pipelines import container_names
from mlberth_local.transform.model_client import ModelClient

GONE = ""
"""In place of a phase: nothing is left of the instance."""
LONGEST_REASON = 1024
"""Of a FailureReason, in characters."""
_LINES = 50
"""As many of a container's last lines go into a FailureReason, if there is room."""
_HEALTH_SECONDS, _DOWNLOAD_SECONDS = 480, 3600
"""If the variant says nothing: from the start to the first answer of /ping, and for the model's files."""
_PORT_TAKEN = ("port is already allocated", "address already in use")
_DRAIN_LOOK = 0.1
"""Seconds that one look at requests on their way may take."""
_MOST_PORTS = 3
"""As many times another port is tried, one after another."""


@dataclass(frozen=True)
class Finding:
    """What has become of an instance."""

    phase: str
    problem: str = ""
    """Why it does not serve, for a FailureReason."""
    failed: bool = False
    """Whether it has ended without being told to."""


class Instances:
    """Looks after the instances of one endpoint. Each call may be cut off and is made again."""

    def __init__(self, context: EndpointContext, endpoint: str) -> None:
        self._context = context
        self._parts = context.parts
        self._endpoint = endpoint

    def look(self, fleet: Fleet, instance: Instance) -> Finding | None:
        """Do what comes next for an instance; None if nothing has changed. Raises EngineError."""
        ways = {
            NEW: self._start,
            STARTING: self._await_ready,
            READY: self._check,
            DRAINING: self._drain,
            STOPPING: self._stop,
        }
        return ways[instance.phase](fleet, instance)

    def watch(self, fleet: Fleet, instance: Instance) -> None:
        """Go on with what this process does for the runs that an earlier one has started."""
        for run in self.runs(fleet, instance):
            self._parts.engine.watch(run)

    def runs(self, fleet: Fleet, instance: Instance) -> list[Run]:
        """Return what runs on an instance: from the record alone, the same each time."""
        return [self._run(fleet, instance, number, host) for number, host in enumerate(host_names(fleet), 1)]

    def _run(self, fleet: Fleet, instance: Instance, number: int, host: str) -> Run:
        container, parts = fleet.containers[number - 1], self._parts
        name = run_name(self._endpoint, instance.name, number)
        base = parts.runs / name
        environ = {} if fleet.isolated else dict(parts.host_environ)
        environ |= {"AWS_REGION": parts.region} | (container.get("Environment") or {})
        mount = Mount(base / "model", f"{DEFAULT_BASE}/model")
        if is_multi_model(container):
            # The gateway removes what is in it, so nothing in it may be another user's.
            environ, mount = environ | ENVIRON, Mount(models_folder(base), INSIDE, read_only=True)
        return Run(
            name,
            parts.find_image(container["Image"], "serve"),
            (),
            ("serve",),
            (
                Host(
                    host,
                    base,
                    (mount,),
                    environ,
                    self.log_file(fleet, instance, number),
                    instance.ports[number - 1],
                    limits=self._limits(fleet),
                ),
            ),
        )

    def _limits(self, fleet: Fleet) -> Limits | None:
        if fleet.limits:
            return Limits(fleet.limits["cpus"], int(fleet.limits["memory"]))
        capacity = self._parts.capacity
        if capacity.has_limits and fleet.is_serverless:
            return serverless_limits(fleet.plan["ServerlessConfig"]["MemorySizeInMB"])
        return capacity.host_limits(fleet.plan.get("InstanceType", "local"))

    def log_file(self, fleet: Fleet, instance: Instance, number: int) -> Path:
        """Return the file of a container's log stream."""
        stream = f"{fleet.variant}/{instance.name}"
        if len(fleet.containers) > 1:
            stream += f"/{host_names(fleet)[number - 1]}"
        return log_files.stream_file(self._parts.logs, log_group(self._endpoint), stream)

    def _start(self, fleet: Fleet, instance: Instance) -> Finding:
        """Bring the models and start the programs, as far as a daemon before has not."""
        limit = fleet.plan.get("ModelDataDownloadTimeoutInSeconds") or _DOWNLOAD_SECONDS
        began = self._parts.clock()
        try:
            for run, container in zip(self.runs(fleet, instance), fleet.containers, strict=True):
                [host] = run.hosts
                if self._state(run.name, host.name).started is not None:
                    continue
                self._parts.engine.check_image(run.image)
                remove_tree(host.base)
                if is_multi_model(container):
                    models_folder(host.base).mkdir(parents=True)
                else:
                    bring_model(container, host.base / "model", self._parts.objects)
                if self._parts.clock() > began + limit:
                    return Finding(STOPPING, _too_slow(fleet, limit), failed=True)
                self._parts.engine.start(run)
        except JobFailure as failure:
            return Finding(STOPPING, str(failure), failed=True)
        except (ImageMissingError, ServiceError) as error:
            return Finding(STOPPING, f"ClientError: {error}", failed=True)
        except (EngineError, OSError) as error:
            if fleet.failures < _MOST_PORTS and any(text in str(error) for text in _PORT_TAKEN):
                return Finding(STOPPING, failed=True)
            return Finding(STOPPING, f"InternalServerError: {error}", failed=True)
        return Finding(STARTING)

    def _await_ready(self, fleet: Fleet, instance: Instance) -> Finding | None:
        for number, run, state in self._hosts(fleet, instance):
            if not state.is_running:
                if state.exit_code == PortInUseError.exit_code and fleet.failures < _MOST_PORTS:
                    return Finding(STOPPING, failed=True)
                self._parts.engine.flush(run)
                return Finding(STOPPING, self._problem(fleet, instance, number, _ended(state)), failed=True)
        limit = fleet.plan.get("ContainerStartupHealthCheckTimeoutInSeconds") or _HEALTH_SECONDS
        for number, port in enumerate(instance.ports, 1):
            if not ModelClient(port).is_ready():
                if self._parts.clock() > instance.since + limit:
                    text = f"It did not answer /ping with 200 within {limit:g} s"
                    return Finding(STOPPING, self._problem(fleet, instance, number, text), failed=True)
                return None
        return Finding(READY)

    def _check(self, fleet: Fleet, instance: Instance) -> Finding | None:
        for number, run, state in self._hosts(fleet, instance):
            if not state.is_running:
                self._parts.engine.flush(run)
                return Finding(DRAINING, self._problem(fleet, instance, number, _ended(state)), failed=True)
        longest = self._context.seconds.unhealthy
        if (
            not instance.problem
            or self._parts.clock() < instance.problem_since + longest
            or self._context.is_busy(instance.name)
        ):
            return None
        text = f"{instance.problem}, for {longest:g} s"
        problem = self._problem(fleet, instance, instance.problem_container, text)
        return Finding(DRAINING, problem, failed=True)

    def _drain(self, fleet: Fleet, instance: Instance) -> Finding | None:
        is_late = self._parts.clock() > instance.since + self._context.seconds.drain
        if not is_late and not self._context.gateway.drained([in_table(instance)], _DRAIN_LOOK):
            return None
        for run, _ in programs(self._endpoint, fleet, instance):
            self._parts.engine.stop(run)
        return Finding(STOPPING)

    def _stop(self, fleet: Fleet, instance: Instance) -> Finding | None:
        if any(state.is_running for _, _, state in self._hosts(fleet, instance)):
            # What has never served has nothing to finish.
            if instance.served and self._parts.clock() < instance.since + self._context.seconds.stop:
                return None
            for run, _ in programs(self._endpoint, fleet, instance):
                self._parts.engine.kill(run)
        for run, _ in programs(self._endpoint, fleet, instance):
            self._parts.engine.flush(run)
            self._parts.engine.remove(run, self._parts.owner)
            remove_tree(self._parts.runs / run)
        return Finding(GONE)

    def _hosts(self, fleet: Fleet, instance: Instance) -> Iterator[tuple[int, str, HostState]]:
        for number, (run, host) in enumerate(programs(self._endpoint, fleet, instance), 1):
            yield number, run, self._state(run, host)

    def _state(self, run: str, host: str) -> HostState:
        return self._parts.engine.states(run, (host,))[host]

    def _problem(self, fleet: Fleet, instance: Instance, number: int, text: str) -> str:
        """Return the platform's words, with what happened and the container's last lines."""
        start = (
            f"The {host_names(fleet)[number - 1]} container for production variant {fleet.variant} did not "
            f"pass the ping health check. Please check CloudWatch logs for this endpoint. {text}."
        )
        events = log_files.read_events(self.log_file(fleet, instance, number))
        lines = "\n".join(event.message for event in events).splitlines()[-_LINES:]
        room = LONGEST_REASON - len(start) - len(" Its last lines:\n")
        while lines and len("\n".join(lines)) > room:
            del lines[0]  # the last ones tell most
        return (
            "\n".join([f"{start} Its last lines:", *lines]) if lines else f"{start} It has written nothing."
        )


def serverless_limits(megabytes: int) -> Limits:
    """Return the size of a serverless instance.

    The platform gives CPUs by the memory, and says no more about it than that.
    """
    return Limits(megabytes / 1024, megabytes * 1024 * 1024)


def in_table(instance: Instance, models: table.ModelStore | None = None) -> table.Instance:
    """Return an instance as the gateway knows it."""
    return table.Instance(instance.name, tuple(instance.ports), models)


def run_name(endpoint: str, instance: str, number: int) -> str:
    """Return the name of a container's run."""
    return f"{KIND}.{endpoint}.{instance}.{number}"


def programs(endpoint: str, fleet: Fleet, instance: Instance) -> list[tuple[str, str]]:
    """Return the name of the run and of the host for each container of an instance."""
    return [
        (run_name(endpoint, instance.name, number), host) for number, host in enumerate(host_names(fleet), 1)
    ]


def log_group(endpoint: str) -> str:
    """Return the log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def host_names(fleet: Fleet) -> list[str]:
    """Return the names of a fleet's containers: `primary`, or those of a pipeline."""
    return container_names(fleet.containers)


def _ended(state: HostState) -> str:
    if state.started is None:
        return f"It could not be started: {state.problem or 'the engine does not know it'}"
    if state.exit_code is None:
        return f"Its program was lost ({state.problem or 'nobody knows how'})"
    problem = f": {state.problem}" if state.problem else ""
    return f"It ended with exit code {state.exit_code}{problem}"


def _too_slow(fleet: Fleet, limit: float) -> str:
    return f"The model data of production variant {fleet.variant} was not there within {limit:g} s."
