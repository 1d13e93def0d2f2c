"""Checksums of objects: which there are, and those of a whole from those of its parts."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from mlberth_local.errors import ServiceError

COMPUTED = ("CRC32", "MD5", "SHA1", "SHA256", "SHA512")
KEPT = ("CRC32C", "CRC64NVME", "XXHASH3", "XXHASH64", "XXHASH128")
"""Algorithms that Python has not: what a client says is kept and repeated, and not compared."""
ALGORITHMS = (*COMPUTED, *KEPT)


class Hash(Protocol):
    """A running checksum."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""


class Crc32:
    """The CRC of zlib as a running checksum."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum, most significant byte first."""
        return self._value.to_bytes(4, "big")


def hash_of(algorithm: str) -> Hash | None:
    """Return a running checksum of an algorithm; None for one that is not computed here."""
    if algorithm == "CRC32":
        return Crc32()
    return hashlib.new(algorithm.lower(), usedforsecurity=False) if algorithm in COMPUTED else None


def given(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums that a request names for its body, by algorithm."""
    named = {name: request.get(f"Checksum{name}") for name in ALGORITHMS}
    return {name: value for name, value in named.items() if value}


def members(checksums: Mapping[str, str]) -> dict[str, str]:
    """Return checksums as members of an answer: `ChecksumCRC32`."""
    return {f"Checksum{name}": value for name, value in checksums.items()}


def composite(checksums: Iterable[Mapping[str, str]], parts: int) -> dict[str, str]:
    """Return S3's checksum of checksums (`…-3`) of a multipart upload, where all parts have one."""
    all_parts = list(checksums)
    found = {}
    for name in ALGORITHMS:
        total = hash_of(name)
        if total is not None and all_parts and all(name in one for one in all_parts):
            for one in all_parts:
                total.update(base64.b64decode(one[name]))
            found[name] = f"{base64.b64encode(total.digest()).decode()}-{parts}"
    return found


def mismatch(algorithm: str) -> ServiceError:
    """Return the error for a body that does not have its checksum."""
    if algorithm == "MD5":
        return ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    return ServiceError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
