"""Documents that nginx serves from files: /execution-parameters and /openapi.json.

So neither ever waits for a worker that predicts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from mlberth_serve.shared.run_directory import write_private

log = logging.getLogger(__name__)


def write_documents(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write bodies by their paths, each whole or not at all; those that another worker has written stay.

    What cannot be written, on a disk that is full say, a worker answers.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, body in documents.items():
            path = folder / name.lstrip("/")
            if not path.exists():
                staged = path.with_name(f".{path.name}.{os.getpid()}")  # several workers may be at it at once
                write_private(staged, body.decode())
                staged.replace(path)
    except OSError as error:
        log.warning("%s: not written, and left to the workers: %s", ", ".join(documents), error.strerror)
