"""The trees of jobs: files copied without their bytes if the file system can share them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

_FICLONE = 0x40049409
"""From <linux/fs.h>: the copy shares the bytes until one of the two is written to."""
_WRITE_BITS = 0o222


def copy_file(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Copy a file's content; writing to the copy never changes the source."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as from_file, target.open("wb") as to_file:
        try:
            fcntl.ioctl(to_file.fileno(), _FICLONE, from_file.fileno())
        except OSError:  # another file system, or one that cannot
            shutil.copyfile(source, target)
    if read_only:
        target.chmod(target.stat().st_mode & ~_WRITE_BITS)


def copy_tree(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Copy a folder's files, following links, into a folder that may be there; a file is copied as one."""
    if not source.is_dir():
        copy_file(source, target, read_only=read_only)
        return
    for folder, _, names in os.walk(source, followlinks=True):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            copy_file(Path(folder) / name, place / name, read_only=read_only)


def tree_size(folder: Path) -> int:
    """Return how many bytes the files in a folder have; links are not followed."""
    return sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, whatever rights its parts have; none is no error."""
    for parent, names, _ in os.walk(folder):
        for place in (Path(parent), *(Path(parent, name) for name in names)):
            with contextlib.suppress(OSError):  # another user's
                if not place.is_symlink():
                    place.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
