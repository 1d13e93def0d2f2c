"""Work that goes on while a job's programs run: files are copied out as they are written."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from mlberth_local.engines.base import nothing
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects, below

_PAUSE_SECONDS = 1.0
_MARKERS = (".sagemaker-ignore", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Files that programs make for themselves while they write another."""

log = logging.getLogger(__name__)


class FolderSync:
    """Copies what changes in a folder to objects below an address; what is removed there goes here too.

    A file is copied once it has stayed the same from one look to the next. The names that were copied are in
    the file `names`, so that a later daemon removes what has gone meanwhile, and nothing of others; without
    it nothing is removed.
    """

    def __init__(self, folder: Path, address: str, objects: Objects, names: Path | None = None) -> None:
        self.folder = folder
        self._address = address
        self._objects = objects
        self._names_file = names
        self._seen: dict[str, tuple[int, int]] = {}
        self._copied: dict[str, tuple[int, int]] = {}
        self._known = set(_names(names)) if names else set[str]()

    def sync(self, *, settled: bool = False) -> None:
        """Copy what has changed; with `settled` nobody writes any more, and no second look is needed."""
        now = {name: _mark(path) for name, path in files_below(self.folder).items()}
        ready = [
            name
            for name, mark in now.items()
            if self._copied.get(name) != mark and (settled or self._seen.get(name) == mark)
        ]
        if new := set(ready) - self._known:
            self._remember(self._known | new)
        for name in ready:
            try:
                self._objects.put(below(self._address, name), self.folder / name)
            except FileNotFoundError:  # removed meanwhile
                continue
            self._copied[name] = now[name]
        if self._names_file:
            self._delete(self._known - set(now))
        self._seen = now

    def _delete(self, gone: set[str]) -> None:
        for name in gone:
            self._objects.delete(below(self._address, name))
            self._copied.pop(name, None)
        if gone:
            self._remember(self._known - gone)

    def _remember(self, names: set[str]) -> None:
        self._known = names
        if self._names_file:
            new = self._names_file.with_suffix(".new")
            new.write_text(json.dumps(sorted(names)))
            new.replace(self._names_file)


class Work(Protocol):
    """Work beside the programs."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Return when nothing is done any more."""

    def finish(self) -> None:
        """Do what is left, after the programs have ended. Raises ServiceError and JobFailure."""


class SideWork:
    """Syncs some folders again and again in a thread, and once more at the end.

    `check` is called last, and raises JobFailure if the programs cannot have done what they should.
    """

    def __init__(self, syncs: Sequence[FolderSync] = (), check: Callable[[], None] = nothing) -> None:
        self._syncs = syncs
        self._check = check
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True, name="folders of a job")

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if self._syncs:
            self._thread.start()

    def stop(self) -> None:
        """Return when nothing is copied any more."""
        self._stop.set()
        if self._syncs:
            self._thread.join()

    def finish(self) -> None:
        """Copy what is left, after the programs have ended. Raises ServiceError and JobFailure."""
        for sync in self._syncs:
            sync.sync(settled=True)
        self._check()

    def _repeat(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            for sync in self._syncs:
                try:
                    sync.sync()
                except (OSError, ServiceError):  # the last copy, at the end, tells the job
                    log.warning("%s cannot be copied now", sync.folder, exc_info=True)


def files_below(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by their names relative to it; no links, which may lead anywhere."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_MARKERS):
            name = str(path.relative_to(folder))
            if not any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(folder)):
                found[name] = path
    return found


def _mark(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _names(path: Path) -> list[str]:
    return list(json.loads(path.read_text())) if path.exists() else []
