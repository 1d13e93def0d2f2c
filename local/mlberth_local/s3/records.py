"""The record of an object: its ETag, headers and checksums, beside the buckets in `.records/`.

A record counts only for the very file that it was written for, by inode, size and time: a file that a
person has put in its place is a new object. The last two are kept, so that either is whole at a kill.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlberth_local.files import write_atomically

FOLDER = ".records"
DEFAULT_TYPE = "binary/octet-stream"


@dataclass(frozen=True)
class Record:
    """Facts of an object that its file does not have."""

    key: str
    etag: str
    """Without quotation marks."""
    headers: dict[str, str] = field(default_factory=dict)
    """The request's own: ContentType, CacheControl, ServerSideEncryption, … by the model's names."""
    metadata: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    """Algorithm to base64."""
    tags: dict[str, str] = field(default_factory=dict)
    parts: int = 0
    """How many parts a multipart upload had; 0 for none."""


def hash_of(key: str) -> str:
    """Return the name of what is kept of a key whose own name cannot be a file's."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def record_path(buckets: Path, bucket: str, key: str) -> Path:
    """Return the file of a key's records."""
    name = hash_of(key)
    return buckets / FOLDER / bucket / name[:2] / f"{name[2:]}.json"


def read(path: Path, key: str, status: os.stat_result) -> Record:
    """Return the record that was written for a file; one of a file put there by hand if there is none."""
    for entry in _entries(path):
        if entry["file"] == _identity(status):
            return Record(**entry["record"])
    # The form of an ETag that is no MD5, as after a multipart upload: clients do not compare it to one.
    text = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}".encode()
    return Record(key, f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}-1")


def write(path: Path, record: Record, status: os.stat_result) -> None:
    """Write the record of a file that is about to get the key's name."""
    entries = [{"file": _identity(status), "record": asdict(record)}, *_entries(path)[:1]]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(entries).encode())


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return []


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns]
