"""The results of a training job: the folders of all hosts packed into one archive, or as they are."""

from __future__ import annotations

from pathlib import Path

from mlberth.transfer.push import pack
from mlberth_local.inputs.objects import Objects, below


def upload(
    files: dict[str, Path], address: str, name: str, objects: Objects, scratch: Path, *, packed: bool
) -> str:
    """Store files as `address`/NAME.tar.gz, or below `address`/NAME/; returns that address."""
    if not packed:
        for file, path in files.items():
            objects.put(below(address, name, file), path)
        return below(address, name, "")
    archive = scratch / f"{name}.tar.gz"
    pack(files, archive)
    objects.put(below(address, archive.name), archive)
    archive.unlink()
    return below(address, archive.name)
