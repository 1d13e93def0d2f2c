"""A daemon of a test: `mlberth up` as people run it, with a user's home and a platform's of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.support import free_port

MLBERTH = [sys.executable, "-m", "mlberth"]


@dataclass
class Daemon:
    """Runs `mlberth` with the homes below a folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the commands have in their environment beside the caller's."""

    @property
    def home(self) -> Path:
        """The platform's home."""
        return self.folder / "platform"

    @property
    def user_home(self) -> Path:
        """The user's home."""
        return self.folder / "user"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the commands."""
        self.user_home.mkdir(exist_ok=True)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))
        }
        return {**kept, "HOME": str(self.user_home), "MLBERTH_HOME": str(self.home), **self.variables}

    def run(
        self, *arguments: str, timeout: float = 60, environ: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.CompletedProcess[str]:
        """Run `mlberth …`, with more variables if need be."""
        argv = [*MLBERTH, *arguments]
        given = {**self.environ, **environ}
        return subprocess.run(argv, env=given, capture_output=True, text=True, timeout=timeout, check=False)

    def up(self, engine: str = "process", *flags: str) -> subprocess.CompletedProcess[str]:
        """Run `mlberth up --detach`, with the engine that needs no Docker or the other one."""
        return self.run("up", "--port", str(self.port), "--engine", engine, "--detach", *flags)

    def client_environ(self) -> dict[str, str]:
        """Return what a client's environment is after `eval "$(mlberth env)"`."""
        found = self.run("env")
        assert found.returncode == 0, found.stderr
        lines = (shlex.split(line) for line in found.stdout.splitlines())
        exported = {}
        for word, assignment in lines:
            assert word == "export"
            name, _, value = assignment.partition("=")
            exported[name] = value
        return {**self.environ, **exported}
