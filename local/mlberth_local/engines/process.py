"""Hosts as plain processes: this environment's commands train, serve and process, in trees of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.layout import BASE_DIR, DEFAULT_BASE
from mlberth.process.descendants import descendants
from mlberth_local.engines import overlays, shim
from mlberth_local.engines.base import EngineError, Host, HostState, Run, Usage, nothing
from mlberth_local.engines.fork_server import ForkServer
from mlberth_local.engines.gpus import process_environ
from mlberth_local.engines.trees import copy_tree
from mlberth_local.engines.usage import of_processes

_LOCK = "lock"
_COMMANDS = ("train", "serve", "process")
_PASSED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
"""What a program of this machine needs of the daemon's environment; the rest is not the job's business."""
_KILL_SECONDS = 10.0
_LOOK_SECONDS = 0.01


class ProcessEngine:
    """Runs each host under a shim, whose folder below `folder` tells how far it is."""

    def __init__(self, folder: Path, environ: Mapping[str, str], python: str = sys.executable) -> None:
        self._folder = folder
        self._environ = {name: environ[name] for name in _PASSED if name in environ}
        self._python = python
        self._shims = ForkServer(self._environ, python)
        self._watched: set[Path] = set()
        self._has_overlays: bool | None = None
        self._trying = threading.Lock()

    def has_overlays(self, folder: Path) -> bool:
        """Return whether the kernel lets this user mount overlays; it is tried once."""
        with self._trying:
            if self._has_overlays is None:
                folder.mkdir(parents=True, exist_ok=True)
                self._has_overlays = overlays.are_possible(folder, self._environ, self._python)
            return self._has_overlays

    def check_image(self, image: str) -> None:
        """Take any image: it stands for this environment."""

    def start(self, run: Run) -> None:
        """Start the hosts that have not been started yet."""
        for host in run.hosts:
            if self._state(self._folder / run.name / host.name).started is None:
                self._start(run, host)

    def _start(self, run: Run, host: Host) -> None:
        folder = self._folder / run.name / host.name
        shutil.rmtree(folder, ignore_errors=True)
        # What is in it has the job's environment, and with it its secrets.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(parents=True)
        mounted = _bring_all(host)
        spec = {
            "argv": argv(run, host, Path(self._python).parent),
            "environ": self._host_environ(host),
            "cwd": str(host.base),
            "base": str(host.base),
            "host": host.name,
            "hosts": [other.name for other in run.hosts],
            "log": str(host.log),
            "isolated": run.isolated,
            "overlays": mounted,
        }
        shim.write(folder / shim.SPEC, spec)
        # The lock goes over to the shim with the descriptor: it has it from its first moment to its last.
        with _locked(folder / _LOCK) as lock, (folder / "errors").open("wb") as errors:
            self._shims.start(folder, lock, errors.fileno())

    def _host_environ(self, host: Host) -> dict[str, str]:
        path = os.pathsep.join([str(Path(self._python).parent), self._environ.get("PATH", os.defpath)])
        own = {"PATH": path, BASE_DIR: str(host.base), "SAGEMAKER_HOST_WAIT_SECONDS": "0"}
        if host.port is not None:
            own |= {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(host.port)}
        # A host that is asked for a path of the tree by name gets it as it is here.
        given = {name: _moved(value, host.base) for name, value in host.environ.items()}
        own |= given | process_environ(host.gpus, host.environ)
        return {**self._environ, **own, BASE_DIR: str(host.base)}

    def watch(self, run: Run, on_end: Callable[[], None] = nothing) -> None:
        """Wait for the ends of the hosts' shims, which do all else."""
        for folder in (self._folder / run.name / host.name for host in run.hosts):
            if on_end is not nothing and folder not in self._watched and self._lives(folder):
                self._watched.add(folder)
                threading.Thread(target=self._await_end, args=(folder, on_end), daemon=True).start()

    def _await_end(self, folder: Path, on_end: Callable[[], None]) -> None:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            finally:
                os.close(descriptor)
        self._watched.discard(folder)
        on_end()

    def states(self, name: str, hosts: tuple[str, ...]) -> dict[str, HostState]:
        """Return how far each host of a run is."""
        return {host: self._state(self._folder / name / host) for host in hosts}

    def _state(self, folder: Path) -> HostState:
        lives = self._lives(folder)  # before the record of the end, which may be written in between
        started, ended = _read(folder / shim.STARTED), _read(folder / shim.EXIT)
        if ended:
            begin = started.get("time", ended["time"])
            return HostState(begin, ended["time"], ended["code"], ended["problem"])
        if lives:
            return HostState(started.get("time") or (folder / shim.SPEC).stat().st_mtime)
        if started:
            return HostState(started["time"], time.time(), None, "its supervising process was killed")
        return HostState()

    def _lives(self, folder: Path) -> bool:
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others look as well
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def usage(self, name: str) -> dict[str, Usage]:
        """Return what the hosts of a run use; the shims are ours."""
        running = {}
        for folder in self._hosts(name):
            pid = _read(folder / shim.STARTED).get("pid")
            if pid and self._lives(folder) and (programs := descendants(int(pid))):
                running[folder.name] = of_processes(programs)
        return running

    def stop(self, name: str) -> None:
        """Send SIGTERM to the first process of each host."""
        self._signal(name, signal.SIGTERM)

    def kill(self, name: str) -> None:
        """Kill every process of each host."""
        self._signal(name, shim.KILL)

    def _signal(self, name: str, number: int) -> None:
        for folder in self._hosts(name):
            # While the lock is held, the process of that number is the shim.
            pid = self._shim(folder)
            if pid and self._lives(folder):
                os.kill(pid, number)

    def _shim(self, folder: Path) -> int | None:
        """Return the process id of a host's shim; one that has just been started has yet to write it."""
        deadline = time.monotonic() + _KILL_SECONDS
        while not (pid := _read(folder / shim.STARTED).get("pid")):
            if not self._lives(folder) or time.monotonic() > deadline:
                return None
            time.sleep(_LOOK_SECONDS)
        return int(pid)

    def flush(self, name: str) -> None:
        """Do nothing: a shim writes the log before the end."""

    def remove(self, name: str, owner: tuple[int, int] | None = None) -> None:  # noqa: ARG002 - all is ours
        """Remove a run, running or not."""
        deadline = time.monotonic() + _KILL_SECONDS
        for folder in self._hosts(name):
            while self._lives(folder):
                self.kill(name)
                if time.monotonic() > deadline:
                    raise EngineError(f"{folder}: the host's processes do not end within {_KILL_SECONDS:g} s")
                time.sleep(_LOOK_SECONDS)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def answers(self) -> bool:
        """Return True: it is this process."""
        return True

    def names(self) -> set[str]:
        """Return the runs that there is anything of."""
        return {entry.name for entry in self._folder.iterdir()} if self._folder.is_dir() else set()

    def close(self) -> None:
        """End what starts shims; runs go on."""
        self._shims.close()

    def _hosts(self, name: str) -> list[Path]:
        top = self._folder / name
        return sorted(top.iterdir()) if top.is_dir() else []


def argv(run: Run, host: Host, commands: Path) -> list[str]:
    """Return the command of a host.

    Paths below /opt/ml lead into its tree, and our own commands are those in the folder `commands`.
    """
    # Without a word an image would start its own command; of ours, only `process` is started so.
    words = (*run.entrypoint, *run.arguments) or ("process",)
    first, *rest = [_moved(word, host.base) for word in words]
    return [str(commands / first) if first in _COMMANDS else first, *rest]


def _moved(word: str, base: Path) -> str:
    inside = word == DEFAULT_BASE or word.startswith(f"{DEFAULT_BASE}/")
    return f"{base}{word.removeprefix(DEFAULT_BASE)}" if inside else word


def _bring_all(host: Host) -> dict[str, str]:
    """Copy into the tree what a container would have mounted, if it does not lie there already.

    Returns the overlays, which are to be mounted: the options of each target.
    """
    mounted = {}
    for mount in host.mounts:
        target = Path(_moved(mount.target, host.base))
        if mount.changes:
            overlays.make_folders(mount.changes)
            mounted[str(target)] = overlays.options(mount.source, mount.changes)
        elif target != mount.source:
            copy_tree(mount.source, target, read_only=mount.read_only)
    return mounted


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
