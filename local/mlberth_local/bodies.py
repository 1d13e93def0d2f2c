"""Bodies that are files: what came in, already on disk, and what goes out from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a body goes that is about to come in."""

    path: Path
    start: int | None = None
    """The byte of a file that has other bodies, too; None for a file of the body's own."""


@dataclass(frozen=True)
class ReceivedBody:
    """A body that was written to a file while it came; whoever takes it renames a file of its own."""

    place: Place
    size: int
    """In bytes."""
    md5: str
    """Hexadecimal."""
    checksums: Mapping[str, str]
    """Algorithm (`CRC32`) to the checksum in base64; those that the client sent or named."""


@dataclass(frozen=True)
class FileBody:
    """A part of a file, to be sent."""

    path: Path
    start: int
    size: int
    """In bytes."""
