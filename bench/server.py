"""A server that is measured: how it is started, asked, and found ready."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import CSV, JSON, NPY, Case
from bench.load import Address, ask, prepare
from bench.processes import end

HOST = "127.0.0.1"
WORKERS = 2
_READY_SECONDS = 120.0
# One thread in a worker's libraries: there is a worker for each core, and what we set for ours all get.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Place:
    """Where a server runs: a folder of its own, its ports, its interpreter and the model."""

    folder: Path
    model: Path
    """The folder that holds model.joblib."""
    python: Path
    ports: tuple[int, ...]
    workers: int = WORKERS

    @property
    def port(self) -> int:
        """The port that is asked."""
        return self.ports[0]

    def command(self, name: str) -> str:
        """Return a command of the server's own environment."""
        return str(self.python.with_name(name))

    def write(self, name: str, text: str) -> Path:
        """Write a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@dataclass(frozen=True)
class Command:
    """What is started."""

    argv: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)


def plain(path: str) -> Callable[[Case], bytes]:
    """Return a maker of requests that carry the rows with no envelope."""
    return lambda case: prepare(path, case.body, case.content_type, case.content_type)


@dataclass(frozen=True)
class Server:
    """One server under measurement."""

    name: str
    start: Callable[[Place], Command]
    """Writes what it needs below the place's folder, and returns what to run."""
    requests: Mapping[str, Callable[[Case], bytes]]
    """How it is asked, by the Content-Type of those cases that it can answer."""
    ready: str = "/ping"
    """A path that answers 200 when it is ready."""
    environment: str | None = None
    """The name of its virtual environment, and of its requirements; None: it runs in ours."""
    packages: tuple[str, ...] = ()
    """Whose versions are noted."""
    needs: tuple[str, ...] = ()
    """Commands that must be on PATH."""
    answers_rows: bool = True
    """Whether its answers hold the model's predictions, which are then compared."""


INVOCATIONS = {kind: plain("/invocations") for kind in (CSV, JSON, NPY)}


@dataclass(frozen=True)
class Running:
    """A server that is up."""

    server: Server
    pid: int
    address: Address
    cold_start: float
    """Seconds from the start of the process to the first 200."""

    def request(self, case: Case) -> bytes:
        """Return a case's request; KeyError where the server cannot answer such."""
        return self.server.requests[case.content_type](case)


@contextlib.contextmanager
def running(server: Server, place: Place) -> Iterator[Running]:
    """Start a server, wait until it is ready, and end it; its log is FOLDER/log. Raises RuntimeError."""
    place.folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place.folder / "tmp", ignore_errors=True)  # a pid file in it would stop a second start
    (place.folder / "tmp").mkdir()
    command = server.start(place)
    environ = {
        **os.environ,
        **ONE_THREAD,
        "PATH": f"{place.python.parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(place.folder / "tmp"),
        **command.environ,
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # it would read and compile all of itself at every start
    with (place.folder / "log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            cwd=place.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = (HOST, place.port)
        while not _is_ready(address, server.ready):
            if process.poll() is not None or time.perf_counter() > began + _READY_SECONDS:
                tail = (place.folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{server.name} did not come up:\n{tail}")
            time.sleep(0.005)
        yield Running(server, process.pid, address, time.perf_counter() - began)
    finally:
        end(process.pid)
        process.wait()


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nothing listens on, below those that outgoing connections are given.

    multi-model-server takes none above 32766.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12000, 32000)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            found.append(port)
    return tuple(dict.fromkeys(found)) if len(set(found)) == count else free_ports(count)


def _is_ready(address: Address, path: str) -> bool:
    with contextlib.suppress(OSError):
        return ask(address, prepare(path, b"", "", method="GET"))[0]
    return False
