"""The request for a model's process, from the model manager to a fork server: a file in a private folder.

With it come descriptors, over a socket, which the process is to have under the numbers that are named here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mlberth_serve.shared.run_directory import write_private

READY = "ready"
"""The first message of a fork server that can fork; of another it is the reason why it cannot."""


@dataclass(frozen=True)
class ForkRequest:
    """What the process is to be."""

    folder: str
    """The private folder of its gunicorn."""
    argv: list[str]
    """The command that would start it by itself, for a process that has to begin afresh."""
    environ: dict[str, str]
    cwd: str
    parent: int
    """The id of the manager's process."""
    numbers: list[int]
    """Of its descriptors."""

    def write(self, path: Path) -> None:
        """Write it to a new file that our user alone can read."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> ForkRequest:
        """Return what `write` has written, and remove it: it holds an environment, with secrets."""
        text = path.read_text()
        path.unlink()
        return cls(**json.loads(text))
