"""The fork servers, one for each framework that is in use, as the model manager sees them."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlberth.process.children import Child, start
from mlberth_serve.control.commands import gunicorn_environment, python_command
from mlberth_serve.control.models.warm_modules import warm_modules
from mlberth_serve.shared.fork_request import READY, ForkRequest

_REQUEST = "fork.json"
_ANSWER_SECONDS = 10.0
"""A fork takes milliseconds; on a machine without memory it may wait for some."""
_MAX_MESSAGE = 4096
_MAX_FAILURES = 3
"""After so many deaths in a row a framework is not imported ahead any more."""

log = logging.getLogger(__name__)


class ForkServer:
    """One that has been started; it may still be importing."""

    def __init__(self, framework: str, environ: Mapping[str, str]) -> None:
        """Start it; raises OSError if no process can be made."""
        self.framework = framework
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(0)
        with theirs:
            argv = [str(theirs.fileno()), *warm_modules(framework)]
            command = python_command("mlberth_serve.worker.fork_server", "main", *argv)
            environ = gunicorn_environment(environ)
            self.child = start(command, env=environ, cwd=Path("/"), pass_fds=[theirs.fileno()])
        self._is_ready = False
        self.refusal = ""
        """Why it cannot fork; "" if it can, or is not known yet."""

    def is_ready(self) -> bool:
        """Return whether it has imported what it was to."""
        if not self._is_ready:
            try:
                message = self._control.recv(_MAX_MESSAGE).decode()
            except BlockingIOError:
                return False
            except OSError:  # it has died: whoever forks will see it
                message = ""
            self._is_ready = True
            self.refusal = "" if message == READY else message or "it ended"
        return True

    def fork(
        self, folder: Path, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, fds: Sequence[int]
    ) -> Child:
        """Return a model's process, a child of ours; raises OSError if none can be made."""
        request = ForkRequest(str(folder), list(argv), dict(env), cwd, os.getpid(), list(fds))
        path = folder / _REQUEST
        request.write(path)
        self._control.settimeout(_ANSWER_SECONDS)
        try:
            socket.send_fds(self._control, [os.fsencode(path)], list(fds))
            answer = json.loads(self._control.recv(_MAX_MESSAGE) or "{}")
        finally:
            self._control.settimeout(0)
            path.unlink(missing_ok=True)
        if "pid" not in answer:
            number = answer.get("errno", 0)
            raise OSError(number, os.strerror(number) if number else "the fork server has ended", "fork")
        return Child(answer["pid"])

    def close(self) -> None:
        """Let it end."""
        self._control.close()


class ForkServers:
    """Started when a model needs one, and again when one has died."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._servers: dict[str, ForkServer] = {}
        self._failures: dict[str, int] = {}
        self._unusable: set[str] = set()

    @property
    def children(self) -> list[Child]:
        """Their processes."""
        return [server.child for server in self._servers.values()]

    def find(self, framework: str) -> ForkServer | None:
        """Return the one for a framework, None while it is importing; raises OSError if there can be none.

        One that cannot fork once the framework is imported, since that starts threads, is one without it.
        """
        framework = "" if framework in self._unusable else framework
        server = self._servers.get(framework) or self._start(framework)
        if not server.is_ready():
            return None
        if server.child.returncode is None and not server.refusal:
            self._failures[framework] = 0
            return server
        server.close()
        del self._servers[framework]
        why = server.refusal or "it died"
        self._failures[framework] = self._failures.get(framework, 0) + 1
        if server.refusal or self._failures[framework] == _MAX_FAILURES:
            if not framework:
                raise OSError(0, f"no process can be forked: {why}", "fork")
            log.warning("processes are forked without %s imported: %s", framework, why)
            self._unusable.add(framework)
        return None

    def _start(self, framework: str) -> ForkServer:
        server = self._servers[framework] = ForkServer(framework, self._environ)
        return server

    def close(self) -> None:
        """Let all end."""
        for server in self._servers.values():
            server.close()
