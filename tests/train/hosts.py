"""Several hosts of one job, as trees of their own on addresses of the loopback network."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """The trees of some hosts with the same code and configuration."""

    def __init__(self, folder: Path, count: int, **config: Any) -> None:
        self.names = [f"127.0.0.{2 + number}" for number in range(count)]
        self.trees = [Tree(folder / name) for name in self.names]
        self.environ = {
            "SAGEMAKER_LAUNCHER_PORT": str(free_port()),
            "MASTER_PORT": str(free_port()),
            "SAGEMAKER_HOST_WAIT_SECONDS": "30",
        }
        for name, tree in zip(self.names, self.trees, strict=True):
            hosts = {"current_host": name, "hosts": self.names, "network_interface_name": "lo"}
            tree.config(resourceconfig=hosts, **config)

    def code(self, **files: str) -> HostGroup:
        """Write the same files of the user on every host."""
        for tree in self.trees:
            tree.code(**files)
        return self

    @contextmanager
    def running(self, **environ: str) -> Iterator[list[subprocess.Popen[str]]]:
        """Start `train` on every host; kill what is left at the end."""
        commands = [tree.start([BIN / "train"], **{**self.environ, **environ}) for tree in self.trees]
        try:
            yield commands
        finally:
            end_all(commands)

    def train(self, **environ: str) -> Sequence[Ended]:
        """Run `train` on every host to its end."""
        with self.running(**environ) as commands:
            return [ended(command) for command in commands]


class Networks:
    """Two network namespaces with a cable between them; needs root and iproute2.

    A cable, since a container engine's firewall stands in the way of a bridge.
    """

    def __init__(self) -> None:
        label = uuid.uuid4().hex[:6]
        self._spaces = [f"mlberth-{label}-{number}" for number in (1, 2)]
        self.names = ["10.77.0.1", "10.77.0.2"]
        for space in self._spaces:
            _ip("netns", "add", space)
        first, second = self._spaces
        _ip("link", "add", "eth0", "netns", first, "type", "veth", "peer", "name", "eth0", "netns", second)
        for space, address in zip(self._spaces, self.names, strict=True):
            _ip("-n", space, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", space, "link", "set", device, "up")

    def inside(self, number: int, command: Path) -> list[str]:
        """Return the command that runs another one in a namespace, with a host name of its own."""
        script = f"hostname algo-{number + 1}; exec {command}"
        return ["ip", "netns", "exec", self._spaces[number], "unshare", "--uts", "sh", "-c", script]

    def cut(self) -> None:
        """Pull the cable."""
        _ip("-n", self._spaces[1], "link", "set", "eth0", "down")

    def remove(self) -> None:
        """Remove what was made."""
        for space in self._spaces:
            _ip("netns", "delete", space)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
