"""Objects brought to hosts as files: each into its folder, and nowhere else."""

from __future__ import annotations

import errno
from pathlib import Path

from mlberth.transfer.names import place
from mlberth_local.engines.trees import copy_file
from mlberth_local.inputs.objects import Object
from mlberth_local.job_failure import JobFailure

_TAKEN = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""A key that goes on behind another one's end: the store has both, a disk cannot."""


def download_failure(problem: object) -> JobFailure:
    """Return the failure of a job whose input cannot be brought, in the service's words."""
    return JobFailure(f"ClientError: Data download failed: {problem}")


def place_of(found: Object, folder: Path, name: str) -> Path:
    """Return where the file of an object goes below a folder.

    Raises JobFailure for a name that could lead elsewhere: any client of the store can write such keys.
    """
    try:
        return place(folder, name)
    except ValueError as error:
        raise download_failure(f"{found.address!r}: {error}") from None


def bring(found: Object, folder: Path, name: str, *, read_only: bool = False) -> None:
    """Copy an object to the file of a name below a folder. Raises JobFailure if it cannot be one there."""
    target = place_of(found, folder, name)
    try:
        copy_file(found.path, target, read_only=read_only)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise download_failure(f"{found.address!r}: its name is too long for a file") from None
        if error.errno in _TAKEN:
            text = f"{name!r} would be below, or in the place of, another object's file"
            raise download_failure(f"{found.address!r}: {text}") from None
        raise
