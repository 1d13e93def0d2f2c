"""The flags of a daemon's start, from its command to its process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StartFlags:
    """The flags of `mlberth up`."""

    port: int
    engine: str
    region: str
    s3_endpoint: str = ""
    """Of another S3 that has the objects."""
    stream_port: int = 0
    """Of streams in both directions; 0 is none."""
    lease: int | None = None
    """A descriptor: when its other end is closed and no job is left, the daemon ends."""
