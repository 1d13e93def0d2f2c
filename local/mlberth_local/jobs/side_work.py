"""Work that goes on while a job's programs run: files are copied out as they are written."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mlberth_local.engines.base import nothing
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects, below

_PAUSE_SECONDS = 1.0
_MARKERS = (".sagemaker-ignore", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Files that programs make for themselves while they write another."""

Mark = tuple[int, int]
"""What tells a file from what it was before: its size and when it was written to, in nanoseconds."""

log = logging.getLogger(__name__)


class FolderSync:
    """Copies what changes in a folder to objects below an address; what is removed there goes here too.

    A file is copied once it has stayed the same from one look to the next. What was copied is in the file
    `record`, so that a later daemon copies nothing again, removes what has gone meanwhile, and nothing of
    others. So of the hosts of a job, whose folders have one address, each copies only what it has changed.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        objects: Objects,
        record: Path,
        *,
        others: Sequence[Path] = (),
        deletes: bool = True,
    ) -> None:
        """Read the record; `others` are the folders of the other hosts, with the same address."""
        self.folder = folder
        self._address = address
        self._objects = objects
        self._others = others
        self._deletes = deletes
        self._record = record
        self._seen: dict[str, Mark] = {}
        self._copied = _read(record)
        """What a file was like when it was copied; None if it may have been."""

    def note_restored(self) -> None:
        """Note that the folder's files are those that the objects have."""
        self._copied = dict(self._marks())
        self._write()

    def sync(self, *, settled: bool = False) -> None:
        """Copy what has changed; with `settled` nobody writes any more, and no second look is needed."""
        now = self._marks()
        ready = [
            name
            for name, mark in now.items()
            if self._copied.get(name) != mark and (settled or self._seen.get(name) == mark)
        ]
        self._put(ready, now)
        if self._deletes:
            self._delete(set(self._copied) - set(now))
        self._seen = now

    def _marks(self) -> dict[str, Mark]:
        return {name: _mark(path) for name, path in files_below(self.folder).items()}

    def _put(self, names: Sequence[str], marks: Mapping[str, Mark]) -> None:
        if not names:
            return
        # First: what a killed daemon has put has to be known, else it would never be removed.
        self._copied |= dict.fromkeys(names)
        self._write()
        try:
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    self._objects.put(below(self._address, name), self.folder / name)
                    self._copied[name] = marks[name]
        finally:
            self._write()

    def _delete(self, gone: set[str]) -> None:
        for name in gone:
            if not any((other / name).exists() for other in self._others):  # else it is theirs
                self._objects.delete(below(self._address, name))
            del self._copied[name]
        if gone:
            self._write()

    def _write(self) -> None:
        new = self._record.with_suffix(".new")
        new.write_text(json.dumps(self._copied))
        new.replace(self._record)


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


def _mark(path: Path) -> Mark:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _read(record: Path) -> dict[str, Mark | None]:
    if not record.exists():
        return {}
    found: dict[str, list[int] | None] = json.loads(record.read_text())
    return {name: (mark[0], mark[1]) if mark else None for name, mark in found.items()}
