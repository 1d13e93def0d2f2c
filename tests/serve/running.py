"""A server under test: the real supervisor, nginx and gunicorn on a free port of this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from tests.support import free_port, wait_until

PROJECTS = Path(__file__).parent.parent / "projects"
STANDIN = "standin:application"
_BOOT = (
    "import sys; sys.path.remove(''); import os; from mlberth_serve.control.supervisor import serve; "
    "import time; sys.exit(serve(os.environ, application={!r}, clock=lambda: time.monotonic() * {}))"
)


def require_nginx() -> None:
    """Skip the test where nginx is not installed; fail it where it has to be."""
    if shutil.which("nginx") is None:
        if os.environ.get("MLBERTH_REQUIRE_NGINX") == "1":
            pytest.fail("nginx is not on PATH, and MLBERTH_REQUIRE_NGINX=1")
        pytest.skip("nginx is not on PATH")


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a JSON body."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Server:
    """`serve`, started on entering and ended on leaving; its output goes to `log`."""

    wrapper: Sequence[str] = ()
    """A command that runs it, with limits or mounts of its own, in its own process."""
    output: int | None = None
    """Where its output goes instead."""
    haste = 1
    """How many seconds one second is to the supervisor."""

    def __init__(self, folder: Path, application: str = STANDIN, **variables: str) -> None:
        self.port = free_port()
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.log = folder / "log"
        self._application = application
        self._folder = folder
        self._variables = {
            "PYTHONPATH": str(PROJECTS / "standin"),
            "SAGEMAKER_BASE_DIR": str(folder / "ml"),
            "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
            "TMPDIR": str(self.temporary),
            **variables,
        }

    def __enter__(self) -> Server:
        argv = [*self.wrapper, sys.executable, "-c", _BOOT.format(self._application, self.haste)]
        environ = os.environ | self._variables
        with self.log.open("a") as log:
            out = log if self.output is None else self.output
            self.process = subprocess.Popen(argv, env=environ, cwd=self._folder, stdout=out, stderr=out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A kill: by their death signals, the rest ends as well. Tests that say how it ends wait themselves.
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not self.is_open(), message=self.text)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def invoke(self, body: str, **headers: str) -> Answer:
        """Send a prediction request."""
        return self.request("POST", "/invocations", body.encode(), headers)

    def ping(self) -> int:
        """Return the status of /ping; 0 where nobody listens."""
        try:
            return self.request("GET", "/ping").status
        except OSError:
            return 0

    def wait_ready(self) -> Server:
        """Wait for the first 200 of /ping."""
        wait_until(lambda: self.ping() == 200 or self.process.poll() is not None, timeout=60)
        assert self.process.poll() is None, self.text
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def is_open(self) -> bool:
        """Tell whether anybody listens on the port."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def text(self) -> str:
        """What the server has logged so far; nginx writes what it was sent as it is."""
        return self.log.read_text(errors="replace")

    @property
    def failure(self) -> dict[str, Any]:
        """The record that tells why the server ended, the last of a log in JSON."""
        failure: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        assert failure["event"] == "serve_failed"
        return failure

    def children(self) -> dict[str, int]:
        """Return the process ids of nginx's and gunicorn's masters, by name."""
        named = {}
        for pid in children_of(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                named["nginx" if b"nginx" in command.split(b"\0")[0] else "gunicorn"] = pid
        return named


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
