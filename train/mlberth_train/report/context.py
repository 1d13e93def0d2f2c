"""The context of a report: host, rank, code folder and the secrets to mask."""

from __future__ import annotations

from pathlib import Path

from mlberth._typing import NamedTuple
from mlberth.contract.hosts import Hosts
from mlberth.masking import masked_output, masked_text
from mlberth.process.supervise import Outcome


class ReportContext(NamedTuple):
    """What every report says of where its job ran, and what none may show."""

    name: str
    """The host's name."""
    code: Path
    secrets: frozenset[str] = frozenset()
    """Values that no report may hold."""
    rank: int | None = None
    hosts: int | None = None
    """How many hosts there are; None, like the rank, as long as nobody knows."""
    ranks: int | None = None
    """How many processes of the program there are on all hosts; None without a launcher."""

    @classmethod
    def on(cls, hosts: Hosts, code: Path, secrets: frozenset[str]) -> ReportContext:
        """Return the context of a job on one host of a cluster."""
        return cls(hosts.current, code, secrets, hosts.rank, len(hosts.names))

    @property
    def host(self) -> str:
        """The host, and its rank if that is known."""
        return (
            self.name
            if self.rank is None
            else f"{self.name} (rank {self.rank} of {self.ranks or self.hosts})"
        )

    def at(self, host: str, rank: int | None, ranks: int | None, code: str) -> ReportContext:
        """Return the context of a host, and of one process of a launcher there."""
        return self._replace(name=host, rank=rank, ranks=ranks, code=Path(code) if code else self.code)

    def mask(self, text: str) -> str:
        """Hide the job's secrets in a text."""
        return masked_text(text, self.secrets)

    def mask_output(self, outcome: Outcome) -> str:
        """Return the last words of a program, the job's secrets hidden."""
        return masked_output(outcome.stderr, outcome.cuts, self.secrets)
