"""What is fuzzed: nginx with a worker, the worker alone, and nginx with an upstream that takes notes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serve.running import Server, children_of
from tests.support import free_port, wait_until

from mlberth_serve.control.nginx.config import install_config, nginx_argv
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

Connect = Callable[[], socket.socket]
ECHO = """\
from mlberth_serve import HTTPError


def model_fn(model_dir):
    return None


def transform_fn(model, data, content_type, accept):
    if not data:  # a body that went astray shows itself
        raise HTTPError(400, "bad_request", "The body is empty.")
    return data
"""
VARIABLES = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"}
_TIMEOUT = 30.0
_LINE = re.compile(rb"[A-Za-z_-]+ [\x21-\xff]+ HTTP/1\.1")
# nginx passes on whatever separator a name holds, and controls in a value; the worker refuses both.
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e\x80-\xff]+): ([^\0\r\n]*)")


@contextmanager
def echoing(folder: Path, *, nginx: bool) -> Iterator[Server]:
    """Run a server whose handler gives each body back, with one worker and bodies of 1 MB at most."""
    code = folder / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(ECHO)
    variables = VARIABLES | {"SAGEMAKER_USE_NGINX": str(nginx).lower()}
    with Server(folder, "mlberth_serve.wsgi:application", **variables) as server:
        yield server.wait_ready()


def to_port(port: int) -> Connect:
    """Return what connects to a port of this machine."""
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)


def to_socket(path: Path) -> Connect:
    """Return what connects to a unix socket."""

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(_TIMEOUT)
        client.connect(str(path))
        return client

    return connect


def to_worker_behind_nginx(server: Server) -> Connect:
    """Return what connects to the socket on which nginx finds the worker."""
    (path,) = server.temporary.glob("mlberth-serve-*/gunicorn.sock")
    return to_socket(path)


def workers(server: Server) -> list[int]:
    """Return the process ids of a server's workers."""
    return children_of(server.children()["gunicorn"])


class Recorder(socketserver.ThreadingUnixStreamServer):
    """An upstream that takes a request for what RFC 9112 says it is, and gives its body back.

    `violations` are those of its client, nginx: each is a request that two readers could take for two
    different ones.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Recording)
        self.violations: list[bytes] = []
        self.count = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


class _Recording(socketserver.StreamRequestHandler):
    server: Recorder

    def handle(self) -> None:
        while (head := self._head()) and (body := self._body(head)) is not None:
            self.server.count += 1
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _head(self) -> list[bytes]:
        lines: list[bytes] = []
        while (line := self.rfile.readline(65536)).endswith(b"\r\n"):
            if line == b"\r\n":
                return lines
            lines.append(line[:-2])
        if lines or line:
            self.server.violations.append(b"\r\n".join([*lines, line]))
        return []

    def _body(self, head: list[bytes]) -> bytes | None:
        fields = [_FIELD.fullmatch(line) for line in head[1:]]
        names = [match[1].lower() for match in fields if match]
        lengths = [match[2] for match in fields if match and match[1].lower() == b"content-length"]
        is_sound = (
            _LINE.fullmatch(head[0])
            and all(fields)
            and names.count(b"host") == 1
            and b"transfer-encoding" not in names
            and len(lengths) <= 1
            and all(length.isdigit() for length in lengths)
        )
        if not is_sound:
            self.server.violations.append(b"\r\n".join(head))
            return None
        return self.rfile.read(int(lengths[0])) if lengths else b""


@contextmanager
def recording(folder: Path) -> Iterator[tuple[Connect, Recorder]]:
    """Run nginx, as `serve` would, in front of a recorder."""
    port = free_port()
    environ = VARIABLES | {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    run = RunDirectory(folder)
    run.state.mkdir()
    (run.state / "ready").touch()
    install_config(run, Settings.from_environ(environ), as_root=os.geteuid() == 0)
    executable = shutil.which("nginx")
    assert executable
    with Recorder(run.socket) as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        nginx = subprocess.Popen(nginx_argv(executable, run), cwd=folder, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _is_open(port), timeout=30)
            yield to_port(port), recorder
        finally:
            nginx.terminate()
            nginx.wait(30)
            recorder.shutdown()


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
