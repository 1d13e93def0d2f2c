"""The objects of a bucket in the order of their keys, from any key on, without reading all of them.

A folder is read once, and one whose keys all have the same common prefix only until its first object.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlberth_local.s3 import records
from mlberth_local.s3.buckets import ODD, StoredObject, bucket_folder, stored
from mlberth_local.s3.records import hash_of

_PAST = b"\xff"
"""Behind a text, it comes after all keys that begin with it: no key has this byte."""
_MOST_ODD_KEYS = 1 << 18
_ODD_KEYS: dict[str, str] = {}
"""Keys by the names of their files in `.odd/`; a name is its key's hash, so it is right for ever."""


def objects(buckets: Path, bucket: str, prefix: str = "", after: str = "") -> Iterator[StoredObject]:
    """Yield the objects whose keys begin with a prefix and come after a key. Raises NoSuchBucket."""
    for key, path in keys(buckets, bucket, prefix, after):
        try:
            yield stored(buckets, bucket, key, path, path.stat())
        except OSError:
            continue


def keys(buckets: Path, bucket: str, prefix: str = "", after: str = "") -> Iterator[tuple[str, Path]]:
    """Yield keys and files in order, as `objects` does, without a look at the files."""
    for key, path in groups(buckets, bucket, prefix, after):
        assert path
        yield key, path


def groups(
    buckets: Path, bucket: str, prefix: str = "", after: str = "", delimiter: str = ""
) -> Iterator[tuple[str, Path | None]]:
    """Yield keys and files as `keys` does; those with a delimiter after the prefix as one common prefix.

    It has no file. A common prefix that is `after` itself is not yielded again. Raises NoSuchBucket.
    """
    folder = bucket_folder(buckets, bucket)
    walk = _Walk(encoded(prefix), encoded(delimiter), encoded(after))
    if walk.group(walk.after) == walk.after:
        walk.after += _PAST
    found = heapq.merge(
        walk.plain(os.fsencode(folder)), walk.odd(buckets, bucket), key=lambda entry: entry[0]
    )
    for key, path in found:
        if key <= walk.after:  # with another place, or passed by since it was found
            continue
        group = walk.group(key)
        walk.after = key if group is None else group + _PAST
        yield (_text(group), None) if group is not None else (_text(key), path)


def encoded(key: str) -> bytes:
    """Return the bytes that keys are ordered by."""
    return key.encode(errors="surrogatepass")


def _text(key: bytes) -> str:
    return key.decode(errors="surrogatepass")


@dataclass
class _Walk:
    """What is looked for, and how far it has come."""

    prefix: bytes
    delimiter: bytes
    after: bytes
    """Only keys after it are still to come."""

    def group(self, key: bytes) -> bytes | None:
        """Return the common prefix that a key counts to; None if it counts alone."""
        if not self.delimiter or not key.startswith(self.prefix):
            return None
        found = key.find(self.delimiter, len(self.prefix))
        return None if found < 0 else key[: found + len(self.delimiter)]

    def plain(self, bucket: bytes) -> Iterator[tuple[bytes, Path]]:
        """Yield what is below the folder of a bucket.

        A folder whose keys are all of one common prefix stands for them, if there is one.
        """
        open_folders = [(bucket, b"", self._names(bucket, b""))]  # there may be more than Python's calls
        while open_folders:
            folder, above, names = open_folders[-1]
            if not names or self._is_past(above):
                open_folders.pop()
                continue
            name = heapq.heappop(names)
            key, path = above + name, os.path.join(folder, name)  # noqa: PTH118 - of bytes
            if not self._fits(key):
                continue
            if not name.endswith(b"/"):
                yield key, Path(os.fsdecode(path))
            elif not (key > self.after and self.group(key)):
                open_folders.append((path, key, self._names(path, key)))
            elif _has_object(path):
                yield key, Path(os.fsdecode(path))

    def _names(self, folder: bytes, above: bytes) -> list[bytes]:
        """Return the names in a folder that lead to keys as a heap: a page may need few of them."""
        names = [name for name in _names(folder) if self._fits(above + name)]
        heapq.heapify(names)
        return names

    def _fits(self, key: bytes) -> bool:
        """Whether a key, or one below a folder, has the prefix and is still to come."""
        if not key.endswith(b"/"):
            return key > self.after and key.startswith(self.prefix)
        fits = key.startswith(self.prefix) or self.prefix.startswith(key)
        return fits and (key > self.after or self.after.startswith(key))

    def _is_past(self, above: bytes) -> bool:
        return self.after > above and not self.after.startswith(above)

    def odd(self, buckets: Path, bucket: str) -> Iterator[tuple[bytes, Path]]:
        """Yield what is in `.odd/`."""
        folder = buckets / ODD / bucket
        try:
            names = os.listdir(folder)  # noqa: PTH208 - many names, and no paths
        except OSError:
            return
        all_records = os.fspath(buckets / records.FOLDER / bucket)
        all_keys = ((_odd_key(all_records, name), name) for name in names)
        found = [(encoded(key), name) for key, name in all_keys if key is not None]
        found = [one for one in found if one[0] > self.after and one[0].startswith(self.prefix)]
        for key, name in sorted(found):
            if key > self.after:
                yield key, folder / name


def _names(folder: bytes) -> Iterator[bytes]:
    """Yield the names of a folder's files as they stand in keys, and of its folders, with a slash."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    if _is_text(entry.name):
                        yield entry.name + b"/"
                elif _is_object(entry):
                    yield entry.name
    except OSError:
        return


def _is_object(entry: os.DirEntry[bytes]) -> bool:
    """Whether an entry can be read as an object: a file, also by a link, and named in UTF-8."""
    try:
        return entry.is_file() and _is_text(entry.name)
    except OSError:  # a link that leads to itself
        return False


def _is_text(name: bytes) -> bool:
    """Whether a file's name can be of a key: one put there by hand may be in any encoding."""
    if name.isascii():
        return True
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_object(folder: bytes) -> bool:
    folders = [folder]
    while folders:
        above = folders.pop()
        for name in _names(above):
            if not name.endswith(b"/"):
                return True
            folders.append(os.path.join(above, name))  # noqa: PTH118 - of bytes
    return False


def _odd_key(all_records: str, name: str) -> str | None:
    """Return the key of a file in `.odd/`: its record has it, under the same name."""
    if (known := _ODD_KEYS.get(name)) is not None:
        return known
    try:
        with open(f"{all_records}/{name[:2]}/{name[2:]}.json", "rb") as record:  # noqa: PTH123 - of thousands
            key = str(json.load(record)[0]["record"]["key"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if hash_of(key) != name:
        return None
    if len(_ODD_KEYS) >= _MOST_ODD_KEYS:
        _ODD_KEYS.clear()
    _ODD_KEYS[name] = key
    return key
