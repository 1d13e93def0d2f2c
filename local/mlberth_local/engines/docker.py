"""Hosts as containers, by the Docker SDK: deterministic names, labels, and a network for each run."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors

from mlberth_local.engines.base import (
    EngineError,
    Host,
    HostState,
    ImageMissingError,
    Mount,
    Run,
    Usage,
    nothing,
)
from mlberth_local.engines.docker_log import DockerLog, milliseconds
from mlberth_local.engines.gpus import container_environ
from mlberth_local.engines.overlays import make_folders, options
from mlberth_local.engines.trees import copy_tree, remove_tree
from mlberth_local.engines.usage import of_statistics

HOME_LABEL, RUN_LABEL, HOST_LABEL = "mlberth.home", "mlberth.run", "mlberth.host"
CHANGES_LABEL = "mlberth.changes"
"""The folders of what is written into overlays."""
SERVING_PORT = 8080
_MOST_IMAGES = 20
"""As many are named in a message."""
_COPY = "copy"
"""Of a channel, where its changes would be."""
_MOUNT_FAILED = "failed to mount local volume"
"""Docker's words for it."""
_OWNER_SECONDS = 300
_ANSWER_SECONDS = 10
_NEVER = "0001-01-01"
"""The day of a time that Docker does not know."""
_SHARED_MEMORY = "2g"
"""Frameworks' data loaders need more than the engine's 64 MB; it counts only as far as it is used."""
_LOG = logging.getLogger(__name__)


class DockerEngine:
    """Runs each host as a container of its own."""

    def __init__(self, home_id: str, environ: Mapping[str, str], *, timeout: int = 60) -> None:
        """Connect on the first call; `home_id` tells this platform's containers from another's."""
        self._home_id = home_id
        self._environ = environ
        self._timeout = timeout
        self._client: docker.DockerClient | None = None
        self._logs: dict[tuple[str, str], DockerLog] = {}
        self._has_overlays = True
        self._on_end: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()

    @property
    def _docker(self) -> docker.DockerClient:
        with self._lock:
            if self._client is None:
                with _explained():
                    self._client = docker.from_env(environment=dict(self._environ), timeout=self._timeout)
            return self._client

    def has_overlays(self, folder: Path) -> bool:  # noqa: ARG002 - Docker is asked by a mount
        """Return whether Docker can mount overlays, as far as it is known."""
        return self._has_overlays

    def check_image(self, image: str) -> None:
        """Raise ImageMissingError if there is no such image here; nothing is pulled."""
        with _explained():
            try:
                self._docker.images.get(image)
            except docker.errors.ImageNotFound:
                there = sorted(tag for found in self._docker.images.list() for tag in found.tags)
                names = ", ".join(there[:_MOST_IMAGES]) or "none"
                raise ImageMissingError(f"no image {image!r} on this machine; there are: {names}") from None

    def start(self, run: Run) -> None:
        """Start the hosts that have not been started yet."""
        with _explained():
            network = self._network(run)
            for host in run.hosts:
                container = self._container(run, host, network)
                if container.status == "created":
                    self._start(container, run, host, network)
        self.watch(run)

    def _start(self, container: Any, run: Run, host: Host, network: str) -> None:
        """Start a container; if Docker cannot mount overlays, one that has copies instead."""
        try:
            _start(container)
        except docker.errors.APIError as error:
            if not (_MOUNT_FAILED in str(error.explanation) and any(mount.changes for mount in host.mounts)):
                raise
            _LOG.warning("Docker mounts no overlays, and channels are copied: %s", error.explanation)
            self._has_overlays = False
            container.remove(force=True, v=True)
            _start(self._container(run, host, network))

    def _network(self, run: Run) -> str:
        if run.isolated and len(run.hosts) == 1:
            return "none"
        if all(host.port for host in run.hosts):
            # Docker has addresses for about thirty networks, and servers need none of their own.
            return "bridge"
        name = self._name(run.name)
        labels = {HOME_LABEL: self._home_id, RUN_LABEL: run.name}
        if not self._docker.networks.list(names=[f"^{name}$"]):
            # Hosts of an isolated job reach one another, and nothing else.
            self._docker.networks.create(name, driver="bridge", labels=labels, internal=run.isolated)
        return name

    def _container(self, run: Run, host: Host, network: str) -> Any:
        name = self._name(run.name, host.name)
        with contextlib.suppress(docker.errors.NotFound):
            return self._docker.containers.get(name)
        folders = [str(mount.changes) for mount in host.mounts if mount.changes]
        changes = {CHANGES_LABEL: json.dumps(folders)} if folders else {}
        return self._docker.containers.create(
            host.image or run.image,
            command=list(run.arguments),
            device_requests=device_requests(host.gpus),
            entrypoint=list(run.entrypoint) or None,
            environment={**container_environ(host.gpus), **host.environ},
            extra_hosts=None if run.isolated else {"host.docker.internal": "host-gateway"},
            hostname=host.name,
            labels={HOME_LABEL: self._home_id, RUN_LABEL: run.name, HOST_LABEL: host.name, **changes},
            log_config={"Type": "json-file", "Config": {}},
            mounts=[docker_mount(mount, overlays=self._has_overlays) for mount in host.mounts],
            name=name,
            ports={f"{SERVING_PORT}/tcp": ("127.0.0.1", host.port)} if host.port else None,
            shm_size=_SHARED_MEMORY,
            **_network_of(network, host.name),
            **_limits(host),
        )

    def watch(self, run: Run, on_end: Callable[[], None] = nothing) -> None:
        """Follow the logs of the run's containers, from where the log's file ends, which is with the host."""
        if on_end is not nothing:
            self._on_end[run.name] = on_end
        for host in run.hosts:
            with self._lock:
                log = self._logs.get((run.name, host.name))
            if log and log.is_following:
                continue
            with contextlib.suppress(docker.errors.NotFound), _explained():
                container = self._docker.containers.get(self._name(run.name, host.name))
                with self._lock:
                    self._logs[run.name, host.name] = DockerLog(
                        container, host.log, partial(self._tell, run.name)
                    )

    def _tell(self, name: str) -> None:
        self._on_end.get(name, nothing)()

    def states(self, name: str, hosts: tuple[str, ...]) -> dict[str, HostState]:
        """Return how far each host of a run is."""
        found = dict.fromkeys(hosts, HostState())
        with _explained():
            for container in self._containers(name):
                found[container.labels[HOST_LABEL]] = host_state(container.attrs["State"])
        return found

    def usage(self, name: str) -> dict[str, Usage]:
        """Return what the containers of a run use."""
        running: dict[str, Usage] = {}
        with _explained():
            for container in self._containers(name):
                with contextlib.suppress(docker.errors.NotFound):  # it has just been removed
                    if found := of_statistics(container.stats(stream=False, one_shot=True)):
                        running[container.labels[HOST_LABEL]] = found
        return running

    def stop(self, name: str) -> None:
        """Send SIGTERM to the first process of each host."""
        self._signal(name, "SIGTERM")

    def kill(self, name: str) -> None:
        """Kill every process of each host."""
        self._signal(name, "SIGKILL")

    def _signal(self, name: str, signal: str) -> None:
        with _explained():
            for container in self._containers(name):
                with contextlib.suppress(docker.errors.APIError):  # it has ended
                    container.kill(signal)

    def flush(self, name: str) -> None:
        """Return when all that the ended containers have written is in their logs."""
        for log in self._logs_of(name):
            log.join()

    def remove(self, name: str, owner: tuple[int, int] | None = None) -> None:
        """Remove a run's containers and network; what they have written into mounts belongs to `owner`."""
        with _explained():
            for container in self._containers(name):
                with contextlib.suppress(docker.errors.NotFound):
                    if owner and owner != (0, 0):
                        self._give(container, owner)
                    container.remove(force=True, v=True)
            for network in self._docker.networks.list(filters={"label": self._labels(name)}):
                network.remove()
        for log in self._logs_of(name):
            log.join()
        with self._lock:
            self._logs = {key: log for key, log in self._logs.items() if key[0] != name}
            self._on_end.pop(name, None)

    def _give(self, container: Any, owner: tuple[int, int]) -> None:
        """Let `owner` have what a container, which runs as root, has written: a container can change that."""
        with contextlib.suppress(docker.errors.APIError):
            container.kill()
        writable = {
            mount["Destination"]: mount["Source"]
            for mount in container.attrs["Mounts"]
            if mount["RW"] and mount["Type"] == "bind"
        }
        for number, folder in enumerate(json.loads(container.labels.get(CHANGES_LABEL, "[]"))):
            writable[f"/changes/{number}"] = folder
        if writable:
            helper = self._docker.containers.create(
                container.attrs["Image"],
                ["-R", f"{owner[0]}:{owner[1]}", *writable],
                entrypoint=["chown"],
                labels=container.labels,
                mounts=[docker.types.Mount(*place, type="bind") for place in writable.items()],
                network_mode="none",
                user="0",
            )
            helper.start()
            helper.wait(timeout=_OWNER_SECONDS)
            helper.remove(force=True)

    def answers(self) -> bool:
        """Return whether Docker takes new connections; in its shutdown it still serves those that it has."""
        try:
            fresh = docker.from_env(environment=dict(self._environ), timeout=_ANSWER_SECONDS)
        except (docker.errors.DockerException, OSError):
            return False
        fresh.close()
        return True

    def names(self) -> set[str]:
        """Return the runs of this home that there are containers or networks of."""
        filters = {"label": [f"{HOME_LABEL}={self._home_id}"]}
        with _explained():
            containers = self._docker.containers.list(all=True, filters=filters, ignore_removed=True)
            networks = self._docker.networks.list(filters=filters)
        return {container.labels[RUN_LABEL] for container in containers} | {
            network.attrs["Labels"][RUN_LABEL] for network in networks
        }

    def close(self) -> None:
        """Close the connection; containers go on."""
        if self._client is not None:
            self._client.close()

    def _containers(self, name: str) -> list[Any]:
        filters = {"label": self._labels(name)}
        found: list[Any] = self._docker.containers.list(all=True, filters=filters, ignore_removed=True)
        return found

    def _labels(self, name: str) -> list[str]:
        return [f"{HOME_LABEL}={self._home_id}", f"{RUN_LABEL}={name}"]

    def _name(self, *parts: str) -> str:
        return "-".join(["mlberth", self._home_id, *parts])

    def _logs_of(self, name: str) -> list[DockerLog]:
        with self._lock:
            return [log for (run, _), log in self._logs.items() if run == name]


def _network_of(network: str, host: str) -> dict[str, Any]:
    if network in ("none", "bridge"):
        return {"network_mode": network}
    alias = {network: docker.types.EndpointConfig("1.41", aliases=[host])}
    return {"network": network, "networking_config": alias}


def docker_mount(mount: Mount, *, overlays: bool) -> docker.types.Mount:
    """Return a mount as Docker has it; one with changes is a volume that goes with its container."""
    if not mount.changes:
        return docker.types.Mount(mount.target, str(mount.source), type="bind", read_only=mount.read_only)
    if not overlays:
        copy = mount.changes / _COPY
        remove_tree(copy)
        copy_tree(mount.source, copy)
        return docker.types.Mount(mount.target, str(copy), type="bind")
    make_folders(mount.changes)
    how = {"type": "overlay", "device": "overlay", "o": options(mount.source, mount.changes)}
    driver = docker.types.DriverConfig("local", how)
    return docker.types.Mount(mount.target, None, type="volume", no_copy=True, driver_config=driver)


def device_requests(gpus: tuple[str, ...] | None) -> list[docker.types.DeviceRequest] | None:
    """Return what `docker run --gpus device=0,1` asks for."""
    if not gpus:
        return None
    return [docker.types.DeviceRequest(device_ids=list(gpus), capabilities=[["gpu"]])]


def _limits(host: Host) -> dict[str, Any]:
    if host.limits is None:
        return {}
    memory = host.limits.memory
    return {"nano_cpus": int(host.limits.cpus * 1e9), "mem_limit": memory, "memswap_limit": memory}


def _start(container: Any) -> None:
    try:
        container.start()
    except docker.errors.APIError as error:
        if error.status_code != 304:
            raise


def host_state(state: Mapping[str, Any]) -> HostState:
    """Return how far a container is, of the `State` that Docker tells of it."""
    if state["Status"] == "created":
        # A program that the image does not have is found out at the start; the container stays as it is.
        return HostState(problem=state["Error"])
    started = milliseconds(state["StartedAt"]) / 1000
    if state["Status"] in ("exited", "dead"):
        if state["FinishedAt"].startswith(_NEVER):
            # An engine that was killed, and keeps no containers over a restart, gives 0 as the exit code.
            return HostState(started, started, None, "Docker was restarted, and its program ended unseen")
        problem = "it used more memory than it has" if state["OOMKilled"] else state["Error"]
        # The engine notes the start after the fact: of a short program, later than the end.
        ended = max(started, milliseconds(state["FinishedAt"]) / 1000)
        return HostState(started, ended, state["ExitCode"], problem)
    return HostState(started)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except (EngineError, docker.errors.NotFound):
        raise
    except docker.errors.APIError as error:
        raise EngineError(f"Docker refused: {error.explanation or error}") from error
    except docker.errors.DockerException as error:
        help_ = "start it"
        if "Permission denied" in str(error):
            help_ = "this user may not use it: let an administrator add the user to Docker's group"
        raise EngineError(f"Docker does not answer; {help_}, or use --engine process ({error})") from error
    except OSError as error:  # requests' own errors are of this kind
        raise EngineError(f"Docker does not answer ({error})") from error
