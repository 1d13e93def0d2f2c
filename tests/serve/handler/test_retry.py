"""When nginx sends a request once more, and what its worker is told then; with a stand-in for gunicorn."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serve.raw import exchange
from tests.serve.running import Answer, require_nginx
from tests.support import free_port, wait_until

from mlberth_serve.control.nginx.config import install_config, nginx_argv
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

PATIENCE = 30.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"


class Gunicorn:
    """Reads requests from nginx, one after the other, and does with each as its test has planned."""

    def __init__(self, socket_path: Path, plan: list[str]) -> None:
        self.marks: list[bool] = []
        """Whether each request that was read is marked as repeated."""
        self._plan = plan
        self._kept: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path))
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for step in self._plan:
            connection, _ = self._listener.accept()
            connection.settimeout(PATIENCE)
            request = b""
            while not request.endswith(b"body"):
                request += connection.recv(65536)
            self.marks.append(b"\r\nX-Mlberth-Retry: 1\r\n" in request)
            if step == "die":
                connection.close()
                continue
            if step == "answer and read no more":
                connection.shutdown(socket.SHUT_RD)
            connection.sendall(ANSWER)
            self._kept.append(connection)

    def close(self) -> None:
        """Wait for the end of the plan."""
        self._thread.join(PATIENCE)
        for open_socket in (*self._kept, self._listener):
            open_socket.close()


@contextmanager
def front(folder: Path, plan: list[str], **variables: str) -> Iterator[tuple[int, Gunicorn]]:
    """Run nginx in front of a stand-in; yields the port."""
    require_nginx()
    port = free_port()
    address = {"SAGEMAKER_BIND_TO_HOST": "127.0.0.1", "SAGEMAKER_BIND_TO_PORT": str(port)}
    run = RunDirectory(folder)
    run.state.mkdir()
    (run.state / "ready").touch()
    install_config(run, Settings.from_environ(address | variables), as_root=os.geteuid() == 0)
    # One process, so that the connection that it keeps is the one that it uses next.
    conf = run.nginx_conf.read_text().replace("worker_processes 2;", "worker_processes 1;")
    run.nginx_conf.unlink()
    run.nginx_conf.write_text(conf)
    gunicorn = Gunicorn(run.socket, plan)
    with subprocess.Popen(nginx_argv("nginx", run), cwd=folder) as nginx:
        try:
            wait_until(lambda: is_open(port), timeout=PATIENCE)
            yield port, gunicorn
        finally:
            nginx.terminate()
            gunicorn.close()


def is_open(port: int) -> bool:
    """Tell whether nginx listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int) -> Answer:
    """Send one request."""
    (answer,) = exchange(port, REQUEST)
    return answer


def test_request_whose_worker_dies_is_repeated_once(tmp_path: Path) -> None:
    """The second worker is told; when it dies too, there is no third."""
    with front(tmp_path, ["die", "answer", "die", "die"]) as (port, gunicorn):
        assert ask(port).status == 200
        # The connection of the answer before is kept, and nobody reads from it any more.
        wait_until(lambda: gunicorn._kept)
        gunicorn._kept[0].close()
        assert ask(port).error["code"] == "worker_died"
    assert gunicorn.marks == [False, True, False, True]


def test_request_that_nobody_can_have_read_has_not_run(tmp_path: Path) -> None:
    """A kept connection that takes no byte costs nothing: the request still has its two runs."""
    with front(tmp_path, ["answer and read no more", "die", "answer"]) as (port, gunicorn):
        assert ask(port).status == 200
        assert ask(port).status == 200
    assert gunicorn.marks == [False, False, True]


def test_request_that_must_not_be_repeated(tmp_path: Path) -> None:
    """SAGEMAKER_MODEL_SERVER_RETRY=false: one run, and 502 when its worker dies."""
    with front(tmp_path, ["die"], SAGEMAKER_MODEL_SERVER_RETRY="false") as (port, gunicorn):
        assert ask(port).error["code"] == "worker_died"
    assert gunicorn.marks == [False]
