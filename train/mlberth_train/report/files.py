"""The files in which the platform reads how a job ended; nothing else writes them.

`output/success` and `output/failure` of training, `output/message` of processing. What the user's
program wrote there itself is respected.
"""

from __future__ import annotations

import os
from pathlib import Path

from mlberth_train.log import WARNING, Log


def clear(log: Log, *files: Path) -> None:
    """Remove what an earlier run left, so that what is there later is of this one."""
    for file in files:
        for path in (file, _draft(file)):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                if os.path.lexists(path):  # a read-only file system refuses if there is nothing, too
                    log.write(WARNING, f"{path} of an earlier run cannot be removed: {error.strerror}")


def write(log: Log, file: Path, text: str) -> None:
    """Write a report whole, unless the user's program wrote its own; a disk that refuses is a warning."""
    if os.path.lexists(file):
        return
    draft = _draft(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(text.encode())
        draft.replace(file)
    except OSError as error:
        log.write(WARNING, f"{file} cannot be written: {error.strerror}")
        clear(log, file)


def _draft(file: Path) -> Path:
    # One name for all runs, so that the next one removes what a killed one left.
    return file.with_name(f".{file.name}.partial")
