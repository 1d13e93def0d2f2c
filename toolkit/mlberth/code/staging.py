"""Folders that appear whole or not at all: filled in private, then renamed into place."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from mlberth.paths import is_file, is_folder

_MODE = 0o755
ARCHIVES = (".tar.gz", ".tgz", ".tar")


@contextlib.contextmanager
def staged(destination: Path, *, merge: bool = False) -> Iterator[Path]:
    """Yield an empty private folder that becomes `destination` when the block ends well.

    At that end the destination must be absent or empty, else FileExistsError; with `merge` it may
    hold files, which stay unless the new ones have their names. When the block raises, nothing of
    it is left. Raises OSError if the disk does not allow it.
    """
    folder = _private_folder(destination)
    try:
        yield folder
        if not merge and holds_files(destination, besides=folder):
            raise FileExistsError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(destination))
        folder.chmod(destination.stat().st_mode if destination.is_dir() else _MODE)
        _place(folder, destination, merge)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def holds_files(folder: Path, besides: Path | None = None) -> bool:
    """Return whether a folder has anything in it, not counting `besides`; an absent one has not."""
    return folder.is_dir() and any(entry != besides for entry in folder.iterdir())


def lone_archive(folder: Path) -> Path | None:
    """Return the file in a folder that holds nothing else visible, if its name is that of an archive."""
    if not is_folder(folder):
        return None
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return (
        visible[0]
        if len(visible) == 1 and visible[0].name.endswith(ARCHIVES) and is_file(visible[0])
        else None
    )


def set_aside(folder: Path) -> Path:
    """Rename a folder to the first free of `NAME.replaced-1`, `-2`, …, and return that.

    Raises OSError, with EBUSY if the folder is a mount point.
    """
    for number in count(1):
        aside = folder.with_name(f"{folder.name}.replaced-{number}")
        if not os.path.lexists(aside):
            folder.rename(aside)
            return aside
    raise AssertionError  # pragma: no cover - count() does not end


def _private_folder(destination: Path) -> Path:
    destination.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{destination.name}-"
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    except OSError:
        # A mounted folder can be writable while its parent, the image, is read-only.
        return Path(tempfile.mkdtemp(prefix=prefix, dir=destination))


def _place(folder: Path, destination: Path, merge: bool) -> None:
    if not merge:
        try:
            folder.rename(destination)
        except OSError as error:
            # A mount point cannot be replaced, nor a folder that holds the private one; both take files.
            if error.errno not in (errno.EBUSY, errno.EXDEV, errno.EINVAL, errno.ENOTEMPTY):
                raise
        else:
            return
    _merge(folder, destination)


def _merge(source: Path, destination: Path) -> None:
    destination.mkdir(exist_ok=True)
    for entry in source.iterdir():
        target = destination / entry.name
        if entry.is_dir() and not entry.is_symlink():
            _merge(entry, target)
        else:
            shutil.move(entry, target)  # a rename, or a copy if the mount is another file system
