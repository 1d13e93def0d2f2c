"""`output/intermediate`: what a program writes there is copied to S3 while it runs.

Source: the training contract, and sagemaker-training-toolkit, whose rules these are: files go to
`JOB/output/intermediate` below SAGEMAKER_S3_OUTPUT; a folder that is there already is somebody else's to
copy; what is deleted here stays there.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlberth.code.s3 import S3Prefix
from mlberth.contract.environment import JOB_NAME, Environment
from mlberth.errors import ContractError, Fault
from mlberth.paths import exists
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.log import INFO, WARNING, Log
from mlberth_train.variables import S3_OUTPUT

_NO_COPY = "file://"
_PAUSE = 1.0
_GLANCE = 0.1

Stamp = tuple[int, int, int]


class Copies:
    """Copies the files of a folder: each when it has not changed for `pause` seconds, and all in the end.

    A copy that fails is tried again, and never the job's failure.
    """

    def __init__(self, folder: Path, target: S3Prefix, prefix: str, log: Log, *, pause: float = _PAUSE):
        self._folder = folder
        self._target = target
        self._prefix = prefix
        self._log = log
        self._pause = pause
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._copied: dict[str, Stamp] = {}
        self._problems: dict[str, str] = {}
        """Why the last copy of a file has failed."""

    def start(self) -> None:
        """Begin to copy, in a thread: no process is to be started from now on."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self, limit: float, signals: SignalQueue) -> None:
        """Copy what is left, for at most `limit` seconds, and until a stop signal."""
        if self._thread is None:
            return
        self._ending.set()
        deadline = time.monotonic() + limit
        while self._thread.is_alive() and time.monotonic() < deadline:
            if not set(STOP).isdisjoint(signals.wait(_GLANCE)):
                break
        missing = [name for name, stamp in files(self._folder) if self._copied.get(name) != stamp]
        if missing:
            reasons = [self._problems[name] for name in missing if name in self._problems]
            reason = reasons[0] if reasons else "no time was left"
            text = f"{len(missing)} files of {self._folder} are not copied, such as {missing[0]}: {reason}"
            self._log.write(WARNING, text)

    def _run(self) -> None:
        before: dict[str, Stamp] = {}
        while not self._ending.wait(self._pause):
            now = dict(files(self._folder))
            self._copy({name: stamp for name, stamp in now.items() if before.get(name) == stamp})
            before = now
        self._copy(dict(files(self._folder)))

    def _copy(self, settled: Mapping[str, Stamp]) -> None:
        for name, stamp in settled.items():
            if self._copied.get(name) == stamp:
                continue
            try:
                self._target.put(self._folder / name, f"{self._prefix}/{name}")
            except OSError as error:
                if name not in self._problems:
                    self._log.write(WARNING, f"{self._folder / name} cannot be copied yet: {error}")
                self._problems[name] = str(error)
            else:
                self._copied[name] = stamp
                self._problems.pop(name, None)


def files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield name and state of each regular file below a folder; links lead elsewhere, and are left out."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - text is what os.walk gives
            try:
                status = os.lstat(path)
            except OSError:
                continue  # it is gone again
            if stat.S_ISREG(status.st_mode):
                relative = os.path.relpath(path, folder)
                yield relative, (status.st_mtime_ns, status.st_size, status.st_ino)


def copies_of(
    environment: Environment, address: str | None, environ: Mapping[str, str], log: Log
) -> Copies | None:
    """Return what copies the job's intermediate output to `address`, and make its folder.

    None if the job asks for no copies or somebody else makes them. Raises ContractError for an address
    that is none, and DependencyError if botocore is missing.
    """
    folder = environment.layout.output_intermediate
    if not address or address.startswith(_NO_COPY):
        return None
    if exists(folder):
        log.write(INFO, f"{folder} was there already: it is left to whoever made it to copy it")
        return None
    target = S3Prefix(address, environ, where=S3_OUTPUT.name)
    if not environment.job_name:
        raise ContractError(Fault(JOB_NAME.name, "nothing", f"a name, since {S3_OUTPUT.name} is set"))
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        log.write(WARNING, f"{folder} cannot be made: {error.strerror}")
        return None
    return Copies(folder, target, f"{environment.job_name}/output/intermediate", log)
