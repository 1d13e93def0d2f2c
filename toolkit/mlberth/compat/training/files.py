"""Files of a job, read and written."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import mlberth


def write_success_file() -> None:
    """Write the job's empty success file."""
    write_file(mlberth.environment().layout.success, "")


def write_failure_file(failure_msg: str) -> None:
    """Write why the job has failed, unless a reason is there already."""
    path = mlberth.environment().layout.failure
    if not path.exists():
        write_file(path, failure_msg)


@contextmanager
def tmpdir(suffix: str = "", prefix: str = "tmp", directory: str | None = None) -> Iterator[str]:
    """Yield a folder that is removed in the end."""
    folder = tempfile.mkdtemp(suffix=suffix, prefix=prefix, dir=directory)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_file(path: str | Path, data: Any, mode: str = "w") -> None:
    """Write text, or bytes with the mode "wb"."""
    with _opened(path, mode) as file:
        file.write(data)


def read_file(path: str | Path, mode: str = "r") -> Any:
    """Return the text of a file, or its bytes with the mode "rb"."""
    with _opened(path, mode) as file:
        return file.read()


def read_json(path: str | Path) -> Any:
    """Return the value of a JSON file."""
    return json.loads(read_file(path, "rb"))


def _opened(path: str | Path, mode: str) -> IO[Any]:
    path = Path(path)
    return path.open(mode) if "b" in mode else path.open(mode, encoding="utf-8")
