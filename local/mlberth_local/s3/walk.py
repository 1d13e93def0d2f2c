"""The objects of a bucket in the order of their keys, from any key on, without reading all of them."""

from __future__ import annotations

import heapq
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mlberth_local.s3 import records
from mlberth_local.s3.buckets import ODD, StoredObject, bucket_folder, odd_path, stored
from mlberth_local.s3.records import record_path

Entry = tuple[bytes, str, Path]
"""The key as bytes, which is what they are ordered by; the key; the file."""


def objects(buckets: Path, bucket: str, prefix: str = "", after: str = "") -> Iterator[StoredObject]:
    """Yield the objects whose keys begin with a prefix and come after a key. Raises NoSuchBucket."""
    for key, path in keys(buckets, bucket, prefix, after):
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield stored(buckets, bucket, key, path, status)


def keys(buckets: Path, bucket: str, prefix: str = "", after: str = "") -> Iterator[tuple[str, Path]]:
    """Yield keys and files in order, as `objects` does, without a look at the files."""
    folder = bucket_folder(buckets, bucket)
    start, first = encoded(prefix), encoded(after)
    merged = heapq.merge(_plain(folder, b"", start, first), _odd(buckets, bucket, start, first))
    last = None
    for _, key, path in merged:
        if key != last:
            yield key, path
        last = key


def encoded(key: str) -> bytes:
    """Return the bytes that keys are ordered by."""
    return key.encode(errors="surrogatepass")


def _plain(folder: Path, above: bytes, prefix: bytes, after: bytes) -> Iterator[Entry]:
    """Yield what is below a folder; `above` is the part of the keys that leads to it."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((_name(entry), entry) for entry in found)
    except OSError:
        return
    for name, entry in entries:
        key = above + name
        if name.endswith(b"/"):
            # A folder counts if keys below it can have the prefix, and come after the given one.
            if (key.startswith(prefix) or prefix.startswith(key)) and (after < key or after.startswith(key)):
                yield from _plain(Path(entry.path), key, prefix, after)
        elif key.startswith(prefix) and key > after and _is_text(key):
            yield key, key.decode(), Path(entry.path)


def _name(entry: os.DirEntry[str]) -> bytes:
    """Return an entry's name as it stands in keys; that of a folder ends in a slash."""
    name = os.fsencode(entry.name)
    return name + b"/" if entry.is_dir(follow_symlinks=False) else name


def _is_text(key: bytes) -> bool:
    """Whether a file's name can be a key: one put there by hand may be in any encoding."""
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


def _odd(buckets: Path, bucket: str, prefix: bytes, after: bytes) -> Iterator[Entry]:
    folder = buckets / ODD / bucket
    if not folder.is_dir():
        return
    found = []
    for path in folder.iterdir():
        key = _odd_key(buckets, bucket, path)
        if key is not None and encoded(key).startswith(prefix) and encoded(key) > after:
            found.append((encoded(key), key, path))
    yield from sorted(found)


def _odd_key(buckets: Path, bucket: str, path: Path) -> str | None:
    """Return the key of a file in `.odd/`: its record has it, under the same name."""
    record = buckets / records.FOLDER / bucket / path.name[:2] / f"{path.name[2:]}.json"
    try:
        key = json.loads(record.read_bytes())[0]["record"]["key"]
    except (OSError, ValueError, LookupError):
        return None
    return (
        str(key)
        if odd_path(buckets, bucket, key) == path and record == record_path(buckets, bucket, key)
        else None
    )
