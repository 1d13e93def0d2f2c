"""The record of a checkpoint's files, which shows whether it is whole or damaged.

A rename makes a checkpoint appear at once on this disk. The platform copies it away file by file,
though, and a machine that is taken back in the middle leaves a part of it to be restored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mlberth.contract.json_files import read_object
from mlberth.errors import ContractError

RECORD = "mlberth-checkpoint.json"
UPLOADING = ".sagemaker-uploading"
UPLOADED = ".sagemaker-uploaded"
_BLOCK = 1024 * 1024

Sync = Callable[[int], None]


def seal(folder: Path, fsync: Sync) -> None:
    """Write the record of a folder's files, and bring all of it to the disk."""
    digests = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    (folder / RECORD).write_text(json.dumps({"sha256": digests}, indent=2))
    for path in (*_files(folder), *(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(path, fsync)


def sync(path: Path, fsync: Sync) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a sealed folder; None if all of it is as it was saved."""
    try:
        digests = read_object(folder / RECORD).get("sha256")
    except ContractError as error:
        return str(error)
    if not isinstance(digests, dict):
        return f"{RECORD} lists no files"
    for name, digest in digests.items():
        try:
            if _digest(folder / name) != digest:
                return f"{name} is not as it was saved"
        except OSError as error:
            return f"{name}: {error.strerror}"
        except ValueError:
            return f"{name!r} is no name of a file"
    return None


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files that belong to a checkpoint: all but the platform's markers."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (UPLOADING, UPLOADED):
            yield path


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
