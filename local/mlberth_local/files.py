"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file under another name, and give it its own when it is on disk."""
    temporary = path.with_name(f".{path.name[:200]}.{uuid4().hex}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_ranges(path: Path, ranges: Iterable[tuple[Path, int, int]]) -> None:
    """Write a new file of ranges (file, first byte, size) of others, in the kernel; it is on disk then."""
    with path.open("xb") as writing:
        for source, first, size in ranges:
            with source.open("rb") as reading:
                _copy(reading, writing, first, size)
        os.fsync(writing.fileno())


def _copy(reading: BinaryIO, writing: BinaryIO, first: int, size: int) -> None:
    while size:
        try:
            count = os.copy_file_range(reading.fileno(), writing.fileno(), size, first)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
                raise
            count = os.sendfile(writing.fileno(), reading.fileno(), first, size)
        if not count:
            text = f"{reading.name}: ended {size} bytes before it should"
            raise OSError(text)
        first += count
        size -= count
