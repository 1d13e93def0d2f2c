"""A tree of a job in a temporary folder, and the real commands run on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth.contract.layout import Layout

ROOT = Path(__file__).parent.parent.parent
PROJECTS = ROOT / "tests/projects/train"
SOURCES = f"{ROOT / 'toolkit'}:{ROOT / 'train'}"
_TIMEOUT = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Tree:
    """An /opt/ml-shaped tree that the real `train` and `process` run on."""

    base: Path

    @property
    def layout(self) -> Layout:
        """The paths of the tree."""
        return Layout(self.base)

    @property
    def failure(self) -> str:
        """The failure file, or "" where there is none."""
        return self.layout.failure.read_text("utf-8") if self.layout.failure.exists() else ""

    def code(self, **files: str) -> Tree:
        """Write files of the user; `__` in a name is a dot."""
        self.layout.code.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.layout.code / name.replace("__", ".")).write_text(text)
        return self

    def project(self, name: str) -> Tree:
        """Copy a project of tests/projects/train to where the code belongs."""
        shutil.copytree(PROJECTS / name, self.layout.code)
        return self

    def config(self, **files: Any) -> Tree:
        """Write configuration files of the job."""
        self.layout.config.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (self.layout.config / f"{name}.json").write_text(json.dumps(content))
        return self

    def start(
        self, argv: Sequence[str | Path], stderr: int = subprocess.PIPE, /, **environ: str
    ) -> subprocess.Popen[str]:
        """Start a command on the tree."""
        # The hosts of these jobs have no addresses.
        fixed = {"SAGEMAKER_BASE_DIR": str(self.base), "SAGEMAKER_HOST_WAIT_SECONDS": "0"}
        env = {**os.environ, **fixed, **environ}
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
        return subprocess.Popen(argv, env=env, stdin=nothing, stdout=pipe, stderr=stderr, text=True)

    def train(self, *arguments: str, **environ: str) -> Ended:
        """Run `train` to its end."""
        return ended(self.start([BIN / "train", *arguments], **environ))

    def process(self, *arguments: str, **environ: str) -> Ended:
        """Run `process` to its end."""
        return ended(self.start([BIN / "process", *arguments], **environ))

    def seen(self) -> Any:
        """Return what a project's program wrote into its model."""
        return json.loads((self.layout.model / "seen.json").read_text())


BIN = Path(sys.executable).parent


def ended(command: subprocess.Popen[str]) -> Ended:
    """Wait for a command's end."""
    with command:
        out, err = command.communicate(timeout=_TIMEOUT)
    return Ended(command.returncode, out, err)
