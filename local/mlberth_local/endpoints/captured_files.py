"""The files of captured requests: taken from the gateway's folder and put into buckets."""

from __future__ import annotations

import logging
from pathlib import Path

from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects, below

_DESTINATION = "destination"
_SUFFIX = ".jsonl"
"""Of a file that is whole."""
log = logging.getLogger(__name__)


def deliver(folder: Path, objects: Objects) -> None:
    """Put every whole file below the address of its destination, and remove it.

    A file whose bucket is not there stays until it is.
    """
    for place in folder.iterdir() if folder.is_dir() else ():
        try:
            address = (place / _DESTINATION).read_text()
        except OSError:
            continue
        for path in sorted(place.rglob(f"*{_SUFFIX}")):
            try:
                objects.put(below(address, *path.relative_to(place).parts), path)
            except (ServiceError, OSError, ValueError) as error:
                log.warning("captured requests cannot be put below %s: %s", address, error)
                break
            path.unlink()
