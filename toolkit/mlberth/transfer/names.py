"""The names that objects of a store get as files, and files as objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def file_name(key: str, prefix: str) -> str:
    """Return the name of an object's file: the part of its key after the prefix's last folder.

    `data/train` brings `data/train/a.csv` as `a.csv`, and `data/train` itself as `train`.
    """
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    if key.startswith(folder):
        return key[len(folder) :]
    return key[prefix.rfind("/") + 1 :]


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
