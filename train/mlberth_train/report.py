"""The files that tell the platform how a job ended; nothing else writes them.

`output/success` and `output/failure` of training, `output/message` of processing. What the user's
program wrote there itself is respected.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


def clear(*files: Path) -> None:
    """Remove what an earlier run left, so that what is there later is of this one."""
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s of an earlier run cannot be removed: %s", file, error.strerror)


def write(file: Path, text: str) -> None:
    """Write a report whole, unless the user's program wrote its own; a disk that refuses is a warning."""
    if os.path.lexists(file):
        return
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(text.encode())
        draft.replace(file)
    except OSError as error:
        log.warning("%s cannot be written: %s", file, error.strerror)
        clear(draft)
