"""The queue of messages to HTTP subscribers: a file each, there until it was taken or given up."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from mlberth_local.files import write_atomically

PAUSES = (1.0, 5.0, 20.0)
"""The seconds before each further attempt. The service has three of 20 s, too, by default."""
MOST = 10_000
"""How many messages may wait."""


class QueueFullError(Exception):
    """Too many messages wait for their subscribers."""


@dataclass(frozen=True)
class Delivery:
    """A message that waits for its subscriber."""

    subscription: str
    """The id of the subscription."""
    topic: str
    url: str
    headers: dict[str, str]
    body: str
    attempts: int = 0
    due: float = 0.0
    """When to try, in seconds since the epoch."""


class Queue:
    """Deliveries by the names of their files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._waiting: dict[str, Delivery] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.json")):
            self._waiting[path.name] = Delivery(**json.loads(path.read_text()))

    def add(self, delivery: Delivery) -> None:
        """Add a delivery; it is on disk then. Raises QueueFullError."""
        with self._lock:
            if len(self._waiting) >= MOST:
                raise QueueFullError
            name = f"{delivery.due:017.6f}-{uuid4().hex}.json"
            self._waiting[name] = delivery
        self._write(name, delivery)

    def due(self, now: float) -> list[tuple[str, Delivery]]:
        """Return the deliveries whose time has come, with their names, the oldest first."""
        with self._lock:
            return sorted((name, one) for name, one in self._waiting.items() if one.due <= now)

    def next_due(self) -> float | None:
        """Return when the next delivery is due; None if nothing waits."""
        with self._lock:
            return min((one.due for one in self._waiting.values()), default=None)

    def remove(self, name: str) -> None:
        """Take a delivery out: it was taken, or nobody wants it any more."""
        with self._lock:
            self._waiting.pop(name, None)
        (self._folder / name).unlink(missing_ok=True)

    def failed(self, name: str, now: float) -> bool:
        """Let a delivery wait for its next attempt; returns False if it was the last one, and it is out."""
        with self._lock:
            delivery = self._waiting.get(name)
        if delivery is None:
            return True
        if delivery.attempts >= len(PAUSES):
            self.remove(name)
            return False
        later = replace(delivery, attempts=delivery.attempts + 1, due=now + PAUSES[delivery.attempts])
        self._write(name, later)
        with self._lock:
            if name in self._waiting:
                self._waiting[name] = later
        return True

    def _write(self, name: str, delivery: Delivery) -> None:
        write_atomically(self._folder / name, json.dumps(asdict(delivery)).encode(), mode=0o600)
