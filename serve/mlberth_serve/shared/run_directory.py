"""The private folder of one run: nginx's prefix, the files that tell the state, each gunicorn's folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlberth.errors import ContractError, Fault

_PREFIX = "mlberth-serve-"
_LOCK = "lock"
_LONGEST_SOCKET = 107
"""What `sun_path` holds, in bytes, on Linux."""
_MANY = 9_999_999
"""More reloads than a server sees, for the length of their names."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths below one folder that nobody but our user can enter (0700, files 0600)."""

    path: Path

    @classmethod
    def create(cls) -> RunDirectory:
        """Make the folder where temporary files go; raises ContractError if that cannot be.

        Folders there that a killed server has left behind are removed.
        """
        try:
            run = cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
            _lock(run.path)
            run.state.mkdir(mode=0o700)
            _remove_left_behind(run.path.parent)
        except OSError as error:
            expected = "a writable folder for temporary files, such as /tmp"
            raise ContractError(Fault("TMPDIR", str(error), expected)) from error
        if len(os.fsencode(run.generation(_MANY).socket)) > _LONGEST_SOCKET:
            run.remove()
            expected = f"a path so short that the socket's is at most {_LONGEST_SOCKET} bytes"
            raise ContractError(Fault("TMPDIR", repr(str(run.path.parent)), expected))
        return run

    @property
    def nginx_conf(self) -> Path:
        """A link to the nginx.conf in use."""
        return self.path / "nginx.conf"

    @property
    def socket(self) -> Path:
        """Where nginx finds gunicorn: a link to the socket of the generation that serves."""
        return self.path / "gunicorn.sock"

    @property
    def state(self) -> Path:
        """What /ping is answered from."""
        return self.path / "state"

    @property
    def metrics(self) -> Path:
        """What /metrics is answered from."""
        return self.state / "metrics"

    @property
    def out_of_memory(self) -> Path:
        """Whether a worker was killed just now for lack of memory: if it is there."""
        return self.state / "out_of_memory"

    @property
    def routes(self) -> Path:
        """What GET / is answered from."""
        return self.state / "routes.json"

    @property
    def try_page(self) -> Path:
        """The page to try the model."""
        return self.state / "try.html"

    @property
    def documents(self) -> Path:
        """What /execution-parameters and /openapi.json are answered from: a link to the generation's."""
        return self.state / "documents"

    def models_in(self, place: int) -> Path:
        """Return where nginx finds models that are loaded: a link to the folder of each, by its name."""
        return self.path / "m" / str(place)

    @property
    def model_slots(self) -> Path:
        """What nginx keeps connections to: links to models' sockets."""
        return self.path / "u"

    @property
    def models_down(self) -> Path:
        """The names of models that are loaded and have no process now, as empty files."""
        return self.path / "d"

    @property
    def models_out_of_memory(self) -> Path:
        """What `out_of_memory` is for each of several models, by its name."""
        return self.path / "o"

    @property
    def adapters(self) -> Path:
        """The adapters that are registered, a file for each."""
        return self.path / "adapters"

    @property
    def sessions(self) -> Path:
        """The state of stateful sessions of several models, in a folder for each."""
        return self.path / "sessions"

    @property
    def packages(self) -> Path:
        """What models' requirements have installed, in a folder for each text of requirements."""
        return self.path / "packages"

    def generation(self, number: int) -> GenerationDirectory:
        """Return the folder of one gunicorn."""
        return GenerationDirectory(self.path / str(number))

    def lead_here(self, path: Path) -> None:
        """Make a path elsewhere lead to gunicorn's socket, until the run ends; a socket there is replaced.

        Raises OSError if that cannot be.
        """
        self._elsewhere.mkdir(mode=0o700, exist_ok=True)
        (self._elsewhere / str(len(list(self._elsewhere.iterdir())))).symlink_to(path)
        replace_links({path: self.socket})

    @property
    def _elsewhere(self) -> Path:
        return self.path / "elsewhere"

    def remove(self) -> None:
        """Remove the folder and all that is in it, and what leads here from elsewhere."""
        with contextlib.suppress(OSError):
            for note in self._elsewhere.iterdir():
                if note.readlink().readlink() == self.socket:
                    note.readlink().unlink()
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class GenerationDirectory:
    """What belongs to one gunicorn: a reload has one that ends and one that begins."""

    path: Path

    @property
    def run(self) -> RunDirectory:
        """The folder of the whole run."""
        return RunDirectory(self.path.parent)

    @property
    def socket(self) -> Path:
        """Where gunicorn listens when nginx is in front of it; not below, since a socket's path is short."""
        return self.path.with_name(f"{self.path.name}.sock")

    @property
    def link(self) -> Path:
        """A link to the socket, for who knows this folder by another name."""
        return self.path / "s"

    @property
    def launch_spec(self) -> Path:
        """What gunicorn's arbiter is told."""
        return self.path / "launch_spec.json"

    @property
    def code(self) -> Path:
        """The user's code, if it had to be fetched."""
        return self.path / "code"

    @property
    def documents(self) -> Path:
        """What nginx answers for this gunicorn's workers."""
        return self.path / "documents"

    @property
    def cause(self) -> Path:
        """Why the latest worker that could not load its model could not."""
        return self.path / "cause.json"

    @property
    def failure(self) -> Path:
        """Why nothing can be served; written once, by the process that knows."""
        return self.path / "failure.json"

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _lock(folder: Path) -> None:
    """Lock a folder for as long as this process lives; the lock's name is there only with the lock."""
    staged = folder / f".{_LOCK}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    staged.rename(folder / _LOCK)


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / _LOCK, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # it is being made, or removed, or not a server's
            continue
        with contextlib.suppress(BlockingIOError):  # its server lives
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Write a new file that our user alone can read; raises FileExistsError if there is one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def replace_private(path: Path, text: str) -> None:
    """Replace a file by rename, so that a reader sees the old text or the new and never a part."""
    staged = path.with_name(f".{path.name}")
    staged.unlink(missing_ok=True)
    write_private(staged, text)
    staged.replace(path)


def replace_links(targets: Mapping[Path, Path]) -> None:
    """Make symbolic links lead elsewhere, by rename: there is no moment at which one leads nowhere.

    All of them change, or, if there is no room for one, none.
    """
    staged = {path: path.with_name(f".{path.name}") for path in targets}
    for path, target in targets.items():
        staged[path].unlink(missing_ok=True)
        staged[path].symlink_to(target)
    for path in targets:
        staged[path].replace(path)
