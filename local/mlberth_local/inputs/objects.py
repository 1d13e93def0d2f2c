"""The objects that jobs read and write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from mlberth_local.engines.trees import copy_file, remove_tree
from mlberth_local.s3 import buckets, walk
from mlberth_local.s3.records import Record

SCHEME = "s3://"
_CHUNK = 1024 * 1024
_COPIES = ".copies"
"""Beside the buckets: files on their way to be objects."""


@dataclass(frozen=True)
class Object:
    """An object, as a file of this machine that must not be written to."""

    bucket: str
    key: str
    path: Path
    size: int

    @property
    def address(self) -> str:
        """The object's address."""
        return f"{SCHEME}{self.bucket}/{self.key}"


class Objects(Protocol):
    """Where objects are. All methods raise ServiceError, for a bucket that is not there for example."""

    def list(self, address: str) -> Iterator[Object]:
        """Yield the objects whose addresses begin with a text, in the order of their keys."""

    def find(self, address: str) -> Object:
        """Return one object."""

    def put(self, address: str, source: Path) -> None:
        """Make a file an object: there whole or not at all. The file stays as it is."""

    def delete(self, address: str) -> None:
        """Remove an object; one that is not there is no error."""

    def clean_up(self) -> None:
        """Remove what a killed process was putting; nothing may be put meanwhile."""


def files(objects: Objects, address: str) -> Iterator[Object]:
    """Yield the objects that an address means, without the marks of folders."""
    return (one for one in objects.list(address) if not one.key.endswith("/"))


def split(address: str) -> tuple[str, str]:
    """Return bucket and key of an address. Raises ValueError."""
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket:
        raise ValueError(f"{address!r}: expected an address such as s3://bucket/key")
    return bucket, key


class FolderObjects:
    """The buckets of this platform: folders below one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self, address: str) -> Iterator[Object]:
        """Yield the objects whose addresses begin with a text, in the order of their keys."""
        bucket, prefix = split(address)
        for found in walk.objects(self._folder, bucket, prefix):
            yield Object(bucket, found.key, found.path, found.size)

    def find(self, address: str) -> Object:
        """Return one object."""
        bucket, key = split(address)
        found = buckets.find(self._folder, bucket, key)
        return Object(bucket, key, found.path, found.size)

    def put(self, address: str, source: Path) -> None:
        """Make a file an object: there whole or not at all. The file stays as it is."""
        bucket, key = split(address)
        folder = self._folder / _COPIES
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / uuid4().hex
        try:
            copy_file(source, copy)
            with copy.open("rb") as file:
                digest = hashlib.md5(usedforsecurity=False)
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                os.fsync(file.fileno())
            buckets.put(self._folder, bucket, copy, Record(key, digest.hexdigest()))
        finally:
            copy.unlink(missing_ok=True)

    def delete(self, address: str) -> None:
        """Remove an object; one that is not there is no error."""
        bucket, key = split(address)
        buckets.delete(self._folder, bucket, key)

    def clean_up(self) -> None:
        """Remove what a killed process was putting; nothing may be put meanwhile."""
        remove_tree(self._folder / _COPIES)


def below(prefix: str, *parts: str) -> str:
    """Return an address below a prefix, which may end in a slash."""
    return "/".join([prefix.rstrip("/"), *parts])
