"""A request as it came, apart from the server that received it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class HttpRequest:
    """The parts of a request that operations are found by and read from; the body is apart."""

    method: str
    raw_path: str
    """The path as it was sent, without the query."""
    raw_query: str
    headers: Mapping[str, str]
    """Case-insensitive."""
    local_client: bool = True
    """Whether the client is on this machine's loopback, and not a container."""

    @property
    def path(self) -> str:
        """The decoded path."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        """The decoded parameters; one without a value is ""."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def authority(self) -> str:
        """The host that the client named, without the port."""
        return self.headers.get("Host", "").rsplit(":", 1)[0].lower()

    @property
    def form(self) -> bool:
        """Whether the body is the form of the query protocol."""
        return self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
