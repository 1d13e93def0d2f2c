"""Where a job runs, for what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mlberth.hosts import Hosts
from mlberth.masking import masked_text


class Place(NamedTuple):
    """What every report says of its job, and what none may say."""

    host: str
    code: Path
    secrets: frozenset[str] = frozenset()
    """Values that no report may hold."""

    @classmethod
    def on(cls, hosts: Hosts, code: Path, secrets: frozenset[str]) -> Place:
        """Return the place of one host of a cluster."""
        return cls(f"{hosts.current} (rank {hosts.rank} of {len(hosts.names)})", code, secrets)

    def mask(self, text: str) -> str:
        """Hide the job's secrets in a text."""
        return masked_text(text, self.secrets)
