"""The results of a training job: the folders of all hosts packed into one archive, or as they are."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from mlberth_local.inputs.objects import Objects, below

_LEVEL = 1
"""Weights hardly get smaller by a higher one, and packing takes several times as long."""


def collect(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the files of some folders by name; of two with one name, that of the later host.

    A link is the file that it leads to, if that is in the same folder; others are left out: they would bring
    files of this machine into the archive.
    """
    found = {}
    for folder in folders:
        real = folder.resolve()
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            target = path.resolve()
            if target.is_file() and target.is_relative_to(real):
                found[str(path.relative_to(folder))] = path
    return found


def upload(
    files: dict[str, Path], address: str, name: str, objects: Objects, scratch: Path, *, packed: bool
) -> str:
    """Store files as `address`/NAME.tar.gz, or below `address`/NAME/; returns that address."""
    if not packed:
        for file, path in files.items():
            objects.put(below(address, name, file), path)
        return below(address, name, "")
    archive = scratch / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=_LEVEL, dereference=True) as tar:
        for file, path in files.items():
            tar.add(path, file, recursive=False)
    objects.put(below(address, archive.name), archive)
    archive.unlink()
    return below(address, archive.name)
