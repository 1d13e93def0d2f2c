"""The names that objects of a store get as files, and files as objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlberth.paths import LONGEST_NAME

_SCHEME = "s3://"


def file_name(key: str, prefix: str) -> str:
    """Return the name of an object's file: the part of its key after the prefix's last folder.

    `data/train` brings `data/train/a.csv` as `a.csv`, and `data/train` itself as `train`.
    """
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    if key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


def listed_name(key: str, prefix: str) -> str:
    """Return the name of the file of an object that a manifest lists: the same whatever else that lists.

    It is the part of the key after the last folder of the manifest's `prefix`, an address; without a prefix
    the whole key.
    """
    return file_name(key, prefix.removeprefix(_SCHEME).partition("/")[2])


def is_relative(name: str) -> bool:
    """Return whether a name, parted by slashes, is one of a file below a folder, on any disk.

    Not one with `..`, `.` or an empty part, a NUL, a part that is too long, or half a character: keys of a
    store, which anybody may write, can have them all.
    """
    try:
        parts = [part.encode() for part in name.split("/")]
    except UnicodeEncodeError:
        return False
    return not any(part in {b"", b".", b".."} or b"\0" in part or len(part) > LONGEST_NAME for part in parts)


def place(folder: Path, name: str) -> Path:
    """Return the path of a name below a folder; raises ValueError for one that could lead elsewhere."""
    if not is_relative(name):
        raise ValueError(f"the name {name!r}; expected one of a file that stays in its folder")
    return folder / name


def collect(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the files of some folders by name; of two with one name, that of the later folder.

    A link is the file that it leads to, if that is in the same folder; others are left out: they would bring
    files of this machine to whoever reads the results.
    """
    found = {}
    for folder in folders:
        real = folder.resolve()
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            target = path.resolve()
            if target.is_file() and target.is_relative_to(real):
                found[str(path.relative_to(folder))] = path
    return found
