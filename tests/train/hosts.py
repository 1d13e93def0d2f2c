"""Several hosts of one job, as trees of their own on addresses of the loopback network."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.train.running import BIN, Ended, Tree, ended


def free_port() -> int:
    """Return a port that nobody listens at, and that no connection is given before it is used."""
    while True:
        port = random.randrange(15000, 32000)
        try:
            socket.create_server(("", port)).close()
        except OSError:
            continue
        return port


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
            for command in commands:
                command.kill()
                command.wait()
                for stream in filter(None, (command.stdout, command.stderr)):
                    stream.close()

    def train(self, **environ: str) -> Sequence[Ended]:
        """Run `train` on every host to its end."""
        with self.running(**environ) as commands:
            return [ended(command) for command in commands]
