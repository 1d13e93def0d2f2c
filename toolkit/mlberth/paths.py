"""Questions about paths that somebody else has named.

A name that no disk takes, for its length or its characters, is one that is not there, as is one behind a
folder that we may not look into; pathlib raises.
"""

from __future__ import annotations

import os
from pathlib import Path

FILE = "file://"
LONGEST_NAME = 255
"""What Linux's file systems take for a file or a folder, in bytes."""


def local_path(source: str) -> Path:
    """Return the path that a text names, as it is or as a file:// address."""
    if not source.startswith(FILE):
        return Path(source)
    from urllib.parse import unquote

    host, slash, path = source.removeprefix(FILE).partition("/")
    # file://host/path is another machine's; file://relative/path is what people write for a relative one.
    return Path(unquote(f"{slash}{path}" if host in {"", "localhost"} else f"{host}{slash}{path}"))


def exists(path: Path) -> bool:
    """Return whether anything is there."""
    return os.path.exists(path)  # noqa: PTH110 - see above


def is_file(path: Path) -> bool:
    """Return whether a file is there."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_folder(path: Path) -> bool:
    """Return whether a folder is there."""
    return os.path.isdir(path)  # noqa: PTH112 - see above


def real(path: Path) -> Path:
    """Return a path without links; what no disk takes, and links that go in a circle, stay as they are."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path
