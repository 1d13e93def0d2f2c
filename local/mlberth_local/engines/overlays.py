"""Folders that a host may write to though nothing is copied, and the source stays: overlays (mount(8))."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_UPPER, _WORK = "upper", "work"
_SPECIAL = frozenset(',:\\"')
"""Characters that end a path in the options of a mount."""
_LONGEST = 3500
"""Of the options, in bytes: the kernel takes a page of them."""
_PROBE_SECONDS = 20.0


def options(source: Path, changes: Path) -> str:
    """Return the options of an overlay of a folder whose changes go to another."""
    return f"lowerdir={source},upperdir={changes / _UPPER},workdir={changes / _WORK}"


def can_be_named(source: Path, changes: Path) -> bool:
    """Return whether the folders of an overlay can be written as its options."""
    paths = f"{source}{changes}"
    return not _SPECIAL & set(paths) and len(options(source, changes).encode()) < _LONGEST


def make_folders(changes: Path) -> None:
    """Make the folders for what is written, empty."""
    for name in (_UPPER, _WORK):
        (changes / name).mkdir(parents=True, exist_ok=True)


def are_possible(folder: Path, environ: Mapping[str, str], python: str = sys.executable) -> bool:
    """Return whether this user may mount overlays whose changes are below a folder, by trying it."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="overlay-", ignore_cleanup_errors=True) as scratch:
        argv = [python, "-I", __file__, scratch]
        try:
            done = subprocess.run(
                argv, env=dict(environ), timeout=_PROBE_SECONDS, check=False, capture_output=True
            )
        except subprocess.TimeoutExpired:
            return False
        # What the kernel has made below it is nobody's to read, but its owner's to remove.
        for path in Path(scratch).rglob(_WORK):
            path.chmod(0o700)
    return done.returncode == 0


def _try(scratch: Path) -> None:
    from mlberth_local.engines import namespaces

    source, target, changes = (scratch / name for name in ("source", "target", "changes"))
    for folder in (source, target):
        folder.mkdir()
    (source / "old").touch()
    make_folders(changes)
    namespaces.enter("probe", ["probe"], scratch, isolated=False)
    namespaces.mount_overlay(target, options(source, changes))
    (target / "new").touch()
    (target / "old").rename(target / "renamed")


if __name__ == "__main__":
    _try(Path(sys.argv[1]))
