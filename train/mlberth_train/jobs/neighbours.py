"""Several `train` of one job on the same tree, as mpirun and srun start them: one for each rank.

The first of a host prepares the tree and reports on it; the others wait for that, and then run the program.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import Signals

from mlberth.contract.hosts import read_hosts
from mlberth.contract.layout import Layout
from mlberth.engines import may_be_named
from mlberth.envvars import Reader
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.variables import HOST_WAIT

_READY, _FAILED = "ready", "failed"
_LEFT = b"."
"""What each `train` adds to the file when it has done."""
_PREFIX = ".neighbours-"
_LOOK_SECONDS = 0.05
# What all ranks of a host have in common, and no other run has.
_RUN = (
    *("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"),
    *("OMPI_MCA_ess_base_jobid", "PMIX_NAMESPACE"),
    *("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT"),
)


class Neighbours:
    """This `train` among those of its host."""

    def __init__(self, folder: Path, run: str, position: int, count: int, limit: float) -> None:
        self.is_first = position == 0
        self._count = count
        self._file = folder / f"{_PREFIX}{run}"
        self._limit = limit
        self._was_reported = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Neighbours | None:
        """Return the neighbours that an engine has started; None without any, or with faulty variables.

        Those are reported with all other faults of the job.
        """
        if not may_be_named(environ):
            return None
        layout = Layout.from_environ(environ)
        try:
            found = read_hosts(layout.resource_config, environ, engines=True).found
        except ContractError:
            return None
        if found is None or found.local[1] == 1:
            return None
        # torchrun has a new folder for each of its runs; the rank's own is the last but one.
        error_file = environ.get("TORCHELASTIC_ERROR_FILE", "")
        words = [environ.get(name, "") for name in _RUN] + [str(Path(error_file).parent.parent)]
        run = hashlib.sha256("\n".join(words).encode(errors="surrogateescape")).hexdigest()[:16]
        limit = Reader(environ).get(HOST_WAIT) or HOST_WAIT.worked_out_default()
        return cls(layout.output, run, *found.local, limit)

    def begin(self) -> None:
        """Forget, as the first, what earlier runs have left."""
        with contextlib.suppress(OSError):
            for file in self._file.parent.glob(f"{_PREFIX}*"):
                file.unlink()

    def report(self, *, ready: bool) -> None:
        """Tell the others that the tree is ready, or that it never will be; the first word counts."""
        if self._was_reported:
            return
        self._was_reported = True
        draft = self._file.with_name(f"{self._file.name}.partial")
        with contextlib.suppress(OSError):  # a full disk, which ends the others after their wait
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(_READY if ready else _FAILED)
            draft.replace(self._file)

    def wait(self, signals: SignalQueue) -> Signals | None:
        """Return when the first has prepared the tree, or a stop signal that comes before.

        Raises PlatformError if it has failed, or not done so in time.
        """
        deadline = time.monotonic() + self._limit
        while not self._file.exists() and time.monotonic() < deadline:
            arrived = signals.wait_for(lambda: False, _LOOK_SECONDS)
            if stop := next((number for number in arrived if number in STOP), None):
                return stop
        try:
            word = self._file.read_text().rstrip(_LEFT.decode())
        except OSError:
            word = f"not there after {self._limit:g} s"
        if word != _READY:
            found = "it could not prepare the job" if word == _FAILED else word
            action = "Look at its failure, which is the job's."
            raise PlatformError(
                Fault("the first `train` on this host", found, "a tree that is ready", action)
            )
        return None

    def leave(self) -> None:
        """Say that this `train` has done; the last one on the host removes the file."""
        with contextlib.suppress(OSError), self.one_by_one():  # without the file there is nothing to remove
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.write(descriptor, _LEFT)
            finally:
                os.close(descriptor)
            if self._file.read_bytes().count(_LEFT) >= self._count:
                self._file.unlink()

    @contextlib.contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Keep the others of the host from the block meanwhile."""
        try:
            descriptor = os.open(self._file.parent, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield
            return
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
