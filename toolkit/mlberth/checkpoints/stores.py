"""A folder of checkpoints: `step-10`, or `step-10.2` if step 10 was saved a second time.

Names only ever appear: nothing replaces a checkpoint, so that no moment is without the last one.
Source of the suffixes: the platform's checkpoint agent, as SageMaker's XGBoost image uses it.
"""

from __future__ import annotations

import errno
import logging
import operator
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlberth.checkpoints.record import UPLOADED, UPLOADING, Sync, find_damage, seal, sync
from mlberth.errors import Fault, PlatformError

IGNORED = ".sagemaker-ignore"
"""The platform copies no file of this suffix."""
_NAME = re.compile(r"step-(\d+)(?:\.(\d+))?")
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One checkpoint; the later one is the greater."""

    step: int
    """How many steps were done."""
    attempt: int
    """1, or more if the same step was saved again."""
    path: Path = field(compare=False)
    """The folder with the files that were saved."""


class Store:
    """The checkpoints in one folder, written by one process; any number may read.

    `keep` is how many checkpoints stay when a newer one is saved. The platform's upload markers are
    respected: a checkpoint that is being copied away is removed by a later save.
    """

    def __init__(
        self,
        directory: Path,
        keep: int = 3,
        *,
        fsync: Sync = os.fsync,
        rename: Callable[[Path, Path], object] = os.rename,
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; expected at least 1")
        self.directory = directory
        self.keep = keep
        self._fsync = fsync
        self._rename = rename
        self._damaged: set[Checkpoint] = set()

    def checkpoints(self) -> list[Checkpoint]:
        """Return every checkpoint, oldest first, damaged ones among them."""
        names = ((_NAME.fullmatch(path.name), path) for path in self.directory.glob("step-*"))
        return sorted(Checkpoint(int(name[1]), int(name[2] or 1), path) for name, path in names if name)

    def latest(self, at_most: int | None = None) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None; damaged ones are skipped with a warning.

        `at_most` leaves out those of later steps: ranks that train together agree on a step so. All
        files are read and compared with what was saved. Nothing is changed.
        """
        for checkpoint in reversed(self.checkpoints()):
            if at_most is not None and checkpoint.step > at_most:
                continue
            damage = find_damage(checkpoint.path)
            if damage is None:
                return checkpoint
            self._damaged.add(checkpoint)
            _LOG.warning("Skipped the damaged checkpoint %s: %s", checkpoint.path, damage)
        return None

    @contextmanager
    def save(self, step: int) -> Iterator[Path]:
        """Hand out an empty folder that becomes the checkpoint of `step` when the block ends well.

        After a failure, or a kill at any moment, the checkpoints are those of before. Raises
        PlatformError that names the folder when the disk is full or broken.
        """
        saved = self._next(step)
        temporary = saved.path.with_name(saved.path.name + IGNORED)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            temporary.mkdir()
            yield temporary
            seal(temporary, self._fsync)
            self._rename(temporary, saved.path)
            sync(self.directory, self._fsync)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if number := _disk_error_number(error):
                raise _disk_error(saved.path, number) from error
            raise
        self._remove_old(saved)

    def _next(self, step: int) -> Checkpoint:
        step = operator.index(step)
        if step < 0:
            raise ValueError(f"step is {step}; expected the number of steps that are done")
        attempt = max((old.attempt for old in self.checkpoints() if old.step == step), default=0) + 1
        name = f"step-{step}" if attempt == 1 else f"step-{step}.{attempt}"
        return Checkpoint(step, attempt, self.directory / name)

    def _remove_leftovers(self) -> None:
        """Remove what a killed save, or a killed removal, has left behind."""
        for path in self.directory.glob(f"step-*{IGNORED}"):
            if _NAME.fullmatch(path.name.removesuffix(IGNORED)):
                shutil.rmtree(path, ignore_errors=True)

    def _remove_old(self, newest: Checkpoint) -> None:
        """Keep the newest ones up to the one just saved; what lies beyond it is not ours to judge."""
        own = [old for old in self.checkpoints() if old <= newest]
        kept = [old for old in own if old not in self._damaged][-self.keep :]
        for old in own:
            if old not in kept and not _is_uploading(old.path):
                # Renamed first: a removal that is killed half-way leaves no half checkpoint.
                leftover = old.path.with_name(old.path.name + IGNORED)
                self._rename(old.path, leftover)
                shutil.rmtree(leftover, ignore_errors=True)


def _is_uploading(path: Path) -> bool:
    """Return whether the platform is copying a checkpoint, or any file of it, at this moment."""
    markers = (*path.parent.glob(path.name + UPLOADING), *path.rglob(f"*{UPLOADING}"))
    return any(not marker.with_suffix(UPLOADED).exists() for marker in markers)


def _disk_error_number(error: BaseException | None) -> int | None:
    """Return the number of the disk's error behind an exception: torch.save hides it behind its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            return error.errno
        error = error.__context__
    return None


def _disk_error(path: Path, number: int) -> PlatformError:
    found = f"{os.strerror(number)} ({errno.errorcode[number]}) while it was saved"
    action = "The checkpoints before it are intact. Keep fewer, save less, or give the job a larger volume."
    return PlatformError(Fault(str(path), found, "a disk that takes the checkpoint", action))
