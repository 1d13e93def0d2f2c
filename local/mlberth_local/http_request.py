"""A request as it came, apart from the server that received it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

_MOST_DIGITS = 19
_VIRTUAL_HOST = re.compile(
    r"^(?!s3\.localhost)(?P<bucket>[a-z0-9][a-z0-9.-]*)\.(?:s3[.\w-]*\.amazonaws\.com|(?:s3\.)?localhost)$"
)
"""A bucket named by the host: `BUCKET.s3.us-east-1.amazonaws.com`, `BUCKET.localhost`."""


def whole_number(text: str) -> int | None:
    """Return digits, of which there are not too many for a count of anything; None for another text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None


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
    def path_style(self) -> str:
        """The raw path with the bucket first, also if the host names it."""
        found = _VIRTUAL_HOST.match(self.authority)
        return f"/{found['bucket']}{self.raw_path}" if found else self.raw_path

    @property
    def form(self) -> bool:
        """Whether the body is the form of the query protocol; an object may have any type."""
        return self.method == "POST" and self.headers.get("Content-Type", "").startswith(
            "application/x-www-form-urlencoded"
        )
