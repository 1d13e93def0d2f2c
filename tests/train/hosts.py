"""Several hosts of one job, as trees of their own on addresses of the loopback network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import free_port
from tests.train.running import BIN, Ended, Tree, ended

from mlberth_train.ranks.processes import processes_below


def end_all(commands: Sequence[subprocess.Popen[str]]) -> None:
    """Kill what is left of some commands and all below them, and forget what they have printed."""
    below = [process.pid for command in commands for process in processes_below(command.pid)]
    for command in commands:
        command.kill()
        command.wait()
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for command in commands:
        for stream in filter(None, (command.stdout, command.stderr)):
            stream.close()


class HostGroup:
    """The trees of some hosts with the same code and configuration.

    Without networks their addresses are those of this machine alone.
    """

    def __init__(self, folder: Path, count: int, networks: Networks | None = None, /, **config: Any) -> None:
        self._networks = networks
        addresses = networks.names if networks else [f"127.0.0.{2 + number}" for number in range(count)]
        self.names = addresses[:count]
        self.trees = [Tree(folder / name) for name in self.names]
        self.environ = {
            "SAGEMAKER_LAUNCHER_PORT": str(free_port()),
            "MASTER_PORT": str(free_port()),
            "SAGEMAKER_HOST_WAIT_SECONDS": "30",
        }
        for name, tree in zip(self.names, self.trees, strict=True):
            interface = "eth0" if networks else "lo"
            hosts = {"current_host": name, "hosts": self.names, "network_interface_name": interface}
            tree.config(resourceconfig=hosts, **config)

    def code(self, **files: str) -> HostGroup:
        """Write the same files of the user on every host."""
        for tree in self.trees:
            tree.code(**files)
        return self

    @contextmanager
    def running(self, **environ: str) -> Iterator[list[subprocess.Popen[str]]]:
        """Start `train` on every host; kill what is left at the end."""
        commands = [
            tree.start(self._command(number), **{**self.environ, **environ})
            for number, tree in enumerate(self.trees)
        ]
        try:
            yield commands
        finally:
            end_all(commands)

    def train(self, **environ: str) -> Sequence[Ended]:
        """Run `train` on every host to its end."""
        with self.running(**environ) as commands:
            return [ended(command) for command in commands]

    def _command(self, number: int) -> list[str | Path]:
        return self._networks.inside(number) if self._networks else [BIN / "train"]


class Networks:
    """Network namespaces, each one host, and a switch between them; needs root and iproute2.

    The switch has a namespace of its own: a container engine's firewall lets nothing through one beside it.
    """

    def __init__(self, count: int) -> None:
        label = f"mlberth-{uuid.uuid4().hex[:6]}"
        self._switch = f"{label}-switch"
        self._spaces = [f"{label}-{number + 1}" for number in range(count)]
        self.names = [f"10.77.0.{number + 1}" for number in range(count)]

    def make(self) -> None:
        """Make the switch and the hosts; raises CalledProcessError if the kernel refuses."""
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        for space, address in zip(self._spaces, self.names, strict=True):
            self._plug_in(space, address)

    def _plug_in(self, space: str, address: str) -> None:
        port = f"port{address.rpartition('.')[2]}"
        _ip("netns", "add", space)
        _ip(
            "link", "add", "eth0", "netns", space, "type", "veth", "peer", "name", port, "netns", self._switch
        )
        _ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")
        _ip("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", space, "link", "set", device, "up")

    def inside(self, number: int, known: Path | None = None) -> list[str | Path]:
        """Return the command that runs `train` on a host, which has a name of its own.

        `known` takes the place of /etc/hosts.
        """
        mount = f"mount --bind {known} /etc/hosts; " if known else ""
        script = f"{mount}hostname algo-{number + 1}; exec {BIN / 'train'}"
        apart = ["unshare", "--uts", "--mount"]
        return ["ip", "netns", "exec", self._spaces[number], *apart, "sh", "-c", script]

    def cut(self) -> None:
        """Pull the cable of the last host."""
        _ip("-n", self._spaces[-1], "link", "set", "eth0", "down")

    def processes(self) -> list[int]:
        """Return what runs on the hosts."""
        return [int(pid) for space in self._spaces for pid in _ip("netns", "pids", space).split()]

    def remove(self) -> None:
        """Remove what was made."""
        there = _ip("netns", "list").split()
        for space in {self._switch, *self._spaces}.intersection(there):
            _ip("netns", "delete", space)


@contextmanager
def cabled(*commands: str, hosts: int = 2) -> Iterator[Networks]:
    """Yield hosts with a network of their own; skip the test without them or these commands."""
    if missing := [name for name in ("ip", "unshare", *commands) if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    networks = Networks(hosts)
    try:
        try:
            networks.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made: {error.stderr}")
        yield networks
    finally:
        networks.remove()


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
