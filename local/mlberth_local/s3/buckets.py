"""Buckets as folders: which there are, where a key's file is, and how a new file takes its place.

A key that cannot be a path, or whose path is taken by the folder of other keys, is a file in `.odd/`.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlberth_local.files import sync_folder
from mlberth_local.s3 import records
from mlberth_local.s3.errors import no_such_bucket, no_such_key
from mlberth_local.s3.names import check_bucket, is_plain
from mlberth_local.s3.records import Record, record_path

ODD = ".odd"
UPLOADS = ".uploads"
"""Beside the buckets: what is still coming in."""
_LOCK = threading.RLock()


@dataclass(frozen=True)
class StoredObject:
    """An object that is there."""

    key: str
    path: Path
    size: int
    """In bytes."""
    modified: float
    """Seconds since the epoch."""
    record: Record

    @property
    def quoted_etag(self) -> str:
        """The ETag as headers have it."""
        return f'"{self.record.etag}"'


def lock() -> threading.RLock:
    """Return the lock under which a condition is checked and a file takes its place."""
    return _LOCK


def bucket_folder(buckets: Path, bucket: str) -> Path:
    """Return the folder of a bucket that is there. Raises NoSuchBucket."""
    check_bucket(bucket)
    folder = buckets / bucket
    if not folder.is_dir():
        raise no_such_bucket(bucket)
    return folder


def bucket_names(buckets: Path) -> list[str]:
    """Return the names of all buckets, sorted."""
    if not buckets.is_dir():
        return []
    return sorted(
        entry.name for entry in buckets.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def find(buckets: Path, bucket: str, key: str) -> StoredObject:
    """Return an object. Raises NoSuchBucket or NoSuchKey."""
    folder = bucket_folder(buckets, bucket)
    for path in _places(buckets, folder, key):
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode):
            return stored(buckets, bucket, key, path, status)
    raise no_such_key(key)


def find_or_none(buckets: Path, bucket: str, key: str) -> StoredObject | None:
    """Return an object, or None if there is none. Raises NoSuchBucket."""
    bucket_folder(buckets, bucket)
    try:
        return find(buckets, bucket, key)
    except Exception as error:
        if getattr(error, "code", "") == "NoSuchKey":
            return None
        raise


def stored(buckets: Path, bucket: str, key: str, path: Path, status: os.stat_result) -> StoredObject:
    """Return the object that a file is."""
    record = records.read(record_path(buckets, bucket, key), key, status)
    return StoredObject(key, path, status.st_size, status.st_mtime, record)


def _places(buckets: Path, folder: Path, key: str) -> Iterator[Path]:
    if is_plain(key):
        yield folder / key
    yield odd_path(buckets, folder.name, key)


def odd_path(buckets: Path, bucket: str, key: str) -> Path:
    """Return where the file of a key is that cannot have its own path."""
    return buckets / ODD / bucket / records.hash_of(key)


def remove_leftovers(buckets: Path) -> None:
    """Remove bodies that were coming in when an earlier daemon was killed; multipart uploads stay."""
    folder = buckets / UPLOADS
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file():
            path.unlink(missing_ok=True)


def put(buckets: Path, bucket: str, source: Path, record: Record) -> StoredObject:
    """Give a file, on the same file system, the place of an object: it is there whole or not at all.

    The file's content must be on disk already.
    """
    with _LOCK:
        folder = bucket_folder(buckets, bucket)
        status = source.stat()
        target = _place_for(buckets, folder, record.key)
        records.write(record_path(buckets, bucket, record.key), record, status)
        source.replace(target)
        sync_folder(target.parent)
        if target.is_relative_to(folder):
            odd_path(buckets, bucket, record.key).unlink(missing_ok=True)
    return StoredObject(record.key, target, status.st_size, status.st_mtime, record)


def _place_for(buckets: Path, folder: Path, key: str) -> Path:
    """Return where an object's file goes; makes the folders that it needs, and room for them."""
    target = folder / key if is_plain(key) else None
    if target is not None:
        _make_folders(buckets, folder, target)
        if target.is_dir():
            _remove_empty(target)
        if not target.is_dir():
            return target
    odd = odd_path(buckets, folder.name, key)
    odd.parent.mkdir(parents=True, exist_ok=True)
    return odd


def _make_folders(buckets: Path, folder: Path, target: Path) -> None:
    """Make the folders above a file; an object that has the name of one moves to `.odd/`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        for parent in reversed(target.relative_to(folder).parents):
            taken = folder / parent
            if taken.is_file():
                _move_to_odd(buckets, folder.name, str(parent), taken)
        target.parent.mkdir(parents=True, exist_ok=True)


def _move_to_odd(buckets: Path, bucket: str, key: str, path: Path) -> None:
    status = path.stat()
    record = records.read(record_path(buckets, bucket, key), key, status)
    records.write(record_path(buckets, bucket, key), record, status)  # one put there by hand has none yet
    odd = odd_path(buckets, bucket, key)
    odd.parent.mkdir(parents=True, exist_ok=True)
    path.replace(odd)


def _remove_empty(folder: Path) -> None:
    """Remove folders without files, from the inside out."""
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()


def delete(buckets: Path, bucket: str, key: str) -> None:
    """Remove an object, and the folders that have become empty; one that is not there is no error."""
    with _LOCK:
        folder = bucket_folder(buckets, bucket)
        found = find_or_none(buckets, bucket, key)
        if found is None:
            return
        found.path.unlink(missing_ok=True)
        record_path(buckets, bucket, key).unlink(missing_ok=True)
        parent = found.path.parent
        while parent != folder and parent.is_relative_to(folder):
            try:
                parent.rmdir()
            except OSError:
                break
            parent = parent.parent
