"""A home folder: who runs on it, and what that daemon was told. One daemon a home, held by a lock."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mlberth_local.files import write_atomically

DEFAULT_PORT = 8500
DEFAULT_REGION = "us-east-1"
ENGINES = ("docker", "process")


@dataclass(frozen=True)
class Running:
    """What the daemon of a home was told, and where it answers."""

    pid: int
    port: int
    sts_port: int
    """Of STS over TLS, which the SDKs ask for at an address of their own."""
    engine: str
    region: str
    s3_endpoint: str = ""
    """Of another S3 behind the platform, if there is one."""
    stream_port: int = 0
    """Of streams in both directions over TLS; 0 is none."""


class Home:
    """A home folder, which may not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, environ: Mapping[str, str], folder: str | None) -> Home:
        """Return the home of a flag, or of MLBERTH_HOME, or `~/.mlberth`."""
        chosen = folder or environ.get("MLBERTH_HOME") or os.path.join(environ.get("HOME") or "~", ".mlberth")  # noqa: PTH118
        return cls(Path(chosen).expanduser().absolute())

    @property
    def pid_file(self) -> Path:
        """The file that holds the daemon's process id."""
        return self.folder / "daemon.pid"

    @property
    def log_file(self) -> Path:
        """The log of a daemon that runs in the background."""
        return self.folder / "daemon.log"

    @property
    def gateway(self) -> Path:
        """The folder of the process before all endpoints."""
        return self.folder / "gateway"

    @property
    def keys_file(self) -> Path:
        """The file of `keys`."""
        return self.folder / "keys.json"

    def lock(self) -> int | None:
        """Take the lock of the home; returns its descriptor, or None if a daemon has it.

        It is free again when the descriptor is closed, also by the process's end.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def is_locked(self) -> bool:
        """Whether a daemon runs on this home."""
        if not self.folder.is_dir():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def write_running(self, running: Running) -> None:
        """Record the daemon: this process."""
        write_atomically(self.folder / "daemon.json", json.dumps(asdict(running)).encode())
        write_atomically(self.pid_file, f"{running.pid}\n".encode())

    def last_running(self) -> Running | None:
        """Return what the daemon that runs, or the last one that ran, was told."""
        try:
            return Running(**json.loads((self.folder / "daemon.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def running(self) -> Running | None:
        """Return the daemon that runs; None if there is none."""
        return self.last_running() if self.is_locked() else None

    def keys(self) -> dict[str, str]:
        """Return the access keys that must sign, and their secrets: those of clients and of containers.

        They are made once, and readable by their owner alone; more can be added to the file.
        """
        path = self.keys_file
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            found = {CLIENT_KEY: secrets.token_urlsafe(30), CONTAINER_KEY: secrets.token_urlsafe(30)}
            write_atomically(path, json.dumps(found, indent=2).encode(), mode=0o600)
        return {str(key): str(secret) for key, secret in json.loads(path.read_bytes()).items()}


CLIENT_KEY = "MLBERTHCLIENT0000000"
CONTAINER_KEY = "MLBERTHCONTAINER0000"
