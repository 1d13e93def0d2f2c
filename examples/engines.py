"""How the demo's commands run: as processes of this machine, or in the images."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
Variables = Mapping[str, str]


@dataclass(frozen=True)
class Command:
    """What to run, and what it adds to the environment."""

    argv: list[str]
    variables: Variables

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment that it runs with."""
        return os.environ | self.variables

    def __str__(self) -> str:
        """Return it as one would type it."""
        return " ".join(
            [f"{name}={value}" for name, value in self.variables.items()] + [shlex.join(self.argv)]
        )


class Process:
    """The commands that pip installed beside this interpreter."""

    def train(self, example: str, tree: Path) -> Command:  # noqa: ARG002 - one interpreter has every library
        """Return what trains in a tree."""
        return Command([str(BIN / "train")], {"SAGEMAKER_BASE_DIR": str(tree)})

    def serve(self, example: str, tree: Path, port: int, variables: Variables) -> Command:  # noqa: ARG002
        """Return what serves a tree's model on a port of this machine."""
        where = {
            "SAGEMAKER_BASE_DIR": str(tree),
            "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        return Command([str(BIN / "serve")], where | dict(variables))


class Docker:
    """The images, run with a tree as their /opt/ml by the user who calls."""

    def train(self, example: str, tree: Path) -> Command:
        """Return what trains in a tree."""
        return self._run("train", example, tree, [])

    def serve(self, example: str, tree: Path, port: int, variables: Variables) -> Command:
        """Return what serves a tree's model on a port of this machine."""
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        return self._run("serve", example, tree, [f"--publish=127.0.0.1:{port}:8080", *settings])

    def _run(self, command: str, example: str, tree: Path, options: list[str]) -> Command:
        mount = ["--volume", f"{tree}:/opt/ml", "--user", str(os.getuid())]
        image = f"{os.environ.get('IMAGE_PREFIX', '')}mlberth-{command}:{example}"
        argv = ["docker", "run", "--rm", *mount, *options, image, command]
        return Command(argv, {})


ENGINES = {"process": Process(), "docker": Docker()}
