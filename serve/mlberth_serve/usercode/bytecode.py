"""Bytecode of the user's code, which counts only if it was written after the last change of its source.

Python takes it for that of any file with the same size and the same second of modification: a reload would
serve the code that was there before.
"""

from __future__ import annotations

import sys
from importlib.abc import PathEntryFinder
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import cache_from_source
from pathlib import Path
from types import CodeType

_PACKAGES = frozenset({"site-packages", "dist-packages"})


class FreshLoader(SourceFileLoader):
    """Python's own loader of source files, but for bytecode that may be of an earlier file."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of a module."""
        path = self.get_filename(fullname)
        if is_newer_than_bytecode(path):
            return self.source_to_code(self.get_data(path), path)
        return super().get_code(fullname)


def is_newer_than_bytecode(path: str) -> bool:
    """Return whether a source file has changed since its bytecode was written, whatever its time says."""
    try:
        written = Path(cache_from_source(path)).stat().st_mtime_ns
        # The kernel sets this time with every change, also of a file that is put in its place.
        return Path(path).stat().st_ctime_ns >= written
    except (OSError, NotImplementedError):  # there is none
        return False


class _Finders:
    """A hook of `sys.path_hooks` for folders, and for all below them but installed packages."""

    def __init__(self) -> None:
        self.folders: set[Path] = set()
        self._find = FileFinder.path_hook(
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (FreshLoader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    def __call__(self, entry: str) -> PathEntryFinder:
        path = Path(entry)
        if _PACKAGES.isdisjoint(path.parts) and not self.folders.isdisjoint((path, *path.parents)):
            return self._find(entry)
        raise ImportError("not a folder of the user's code")


def read_afresh(*folders: Path) -> None:
    """Let modules of these folders be loaded by `FreshLoader` from now on."""
    hook = next((one for one in sys.path_hooks if isinstance(one, _Finders)), None)
    if hook is None:
        hook = _Finders()
        sys.path_hooks.insert(0, hook)
    hook.folders |= set(folders)
    for entry in list(sys.path_importer_cache):
        if not hook.folders.isdisjoint((Path(entry), *Path(entry).parents)):
            del sys.path_importer_cache[entry]
