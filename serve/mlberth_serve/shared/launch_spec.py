"""The launch spec of a gunicorn: a file in its private folder, written by the supervisor that starts it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlberth_serve.shared.run_directory import write_private


@dataclass(frozen=True)
class LaunchSpec:
    """What to serve, and how: read once by the arbiter, which hands it on to its workers."""

    application: str
    """`module:attribute` of the WSGI application."""
    behind_nginx: bool
    heartbeats: int
    """The descriptor of the memory of heartbeats (`shared/heartbeat.py`)."""
    metrics: int | None
    """The descriptor of the memory of counters (`shared/metrics_memory.py`); None if nobody reads them."""
    log_level: int
    log_format: str
    access_log: bool
    timeout: float
    """In seconds, of a request."""
    max_memory: int | None
    """In bytes; a worker that has more is replaced."""
    gunicorn: dict[str, Any]
    """gunicorn's settings, by its own names."""
    out_of_memory: str
    """The path of the file that says for a while that a worker was killed for lack of memory."""
    model: str = ""
    """The name of the model, if there are several."""

    def write(self, path: Path) -> None:
        """Write it to a new file that our user alone can read."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> LaunchSpec:
        """Return what `write` has written."""
        return cls(**json.loads(path.read_text()))
