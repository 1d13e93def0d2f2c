"""A Docker engine, and what the tests started on it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAVOURS = ("base", "sklearn", "xgboost", "torch")
KINDS = ("train", "serve")
IMAGE_PREFIX = "mlberth-tests/"
_PUBLIC = re.compile(rf"(?<![/\w-])mlberth-(?:train|serve):(?:{'|'.join(FLAVOURS)})\b")
# What a careful cluster allows: no root, nothing to write but a temporary folder, no way to gain a right.
HARDENED = (
    *("--user", "12345:12345"),
    "--read-only",
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
    *("--network", "none"),
    *("--tmpfs", "/tmp"),
)
UNPRIVILEGED_ROOT = ("--cap-drop", "ALL")


def with_prefix(text: str) -> str:
    """Return commands, or a Dockerfile, with the names of the tests' images in place of the user's."""
    return _PUBLIC.sub(lambda found: IMAGE_PREFIX + found[0], text)


@dataclass(frozen=True)
class Engine:
    """The docker client, and the label on every container and image that this run makes."""

    client: str
    label: str

    def command(
        self, *arguments: str, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker ARGUMENT…`; with `check`, fail with its error output where it fails."""
        done = subprocess.run(
            [self.client, *arguments], capture_output=True, text=True, timeout=timeout, check=False
        )
        if check:
            assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done

    def run(
        self, image: str, *command: str, options: Sequence[str] = (), timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end, whatever its exit code is."""
        arguments = ("run", "--rm", "--label", self.label, *options, image, *command)
        return self.command(*arguments, timeout=timeout, check=False)

    def start(self, image: str, *command: str, options: Sequence[str] = ()) -> Container:
        """Start a container in the background."""
        done = self.command("run", "--detach", "--label", self.label, *options, image, *command)
        return Container(self, done.stdout.strip())

    def build(self, folder: Path, tag: str, *, options: Sequence[str] = ()) -> str:
        """Build the Dockerfile of a folder, and return the tag."""
        self.command(
            "build", "--quiet", "--label", self.label, *options, "--tag", tag, str(folder), timeout=600
        )
        return tag

    def remove_all(self) -> None:
        """Remove every container of this run, running or not, and then every image."""
        mine = ("--quiet", "--filter", f"label={self.label}")
        if containers := self.command("ps", "--all", *mine).stdout.split():
            self.command("rm", "--force", "--volumes", *containers)
        if images := set(self.command("image", "ls", *mine).stdout.split()):
            self.command("image", "rm", "--force", *images)


@dataclass(frozen=True)
class Container:
    """A container that runs in the background."""

    engine: Engine
    name: str

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return self.engine.command("exec", self.name, *command, check=False)

    def inspect(self, template: str) -> str:
        """Return what `docker inspect` fills into a template."""
        return self.engine.command("inspect", "--format", template, self.name).stdout.strip()

    def logs(self) -> str:
        """Return everything that the container has written."""
        done = self.engine.command("logs", self.name)
        return done.stdout + done.stderr

    def signal(self, name: str) -> None:
        """Send a signal to the first process."""
        self.engine.command("kill", "--signal", name, self.name)

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code, once there is one."""
        return int(self.engine.command("wait", self.name, timeout=timeout).stdout)

    def stop(self) -> int:
        """Stop it as `docker stop` does, and return the exit code."""
        self.engine.command("stop", self.name)
        return self.wait()
