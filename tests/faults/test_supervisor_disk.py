"""What the supervisor writes on a disk without room, and what it does when its files are taken away."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.limits import mounting
from tests.faults.load import FAULTY, PATIENCE, Load, Pings, unnoticed, wait_for_answers, workers
from tests.faults.test_machine import fill
from tests.serve.running import Server
from tests.support import free_port, is_alive, wait_until

from mlberth_serve.control.socket_watch import SocketWatch, is_bound

pytestmark = pytest.mark.usefixtures("nginx")


@contextlib.contextmanager
def without_room(server: Server, kind: str) -> Iterator[None]:
    """Use up the inodes, or the bytes, of the file system on which a server has its temporary files."""
    seen = Path(f"/proc/{server.process.pid}/root{server.temporary}") / "full"
    seen.mkdir()
    if kind == "inodes":
        for number in itertools.count():
            try:
                (seen / str(number)).touch()
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the last of many
                break
    else:
        with (seen / "file").open("wb", buffering=0) as file:
            fill(file.fileno())
    yield
    shutil.rmtree(seen, ignore_errors=True)  # a server that has ended took it along


@pytest.fixture(params=["inodes", "bytes"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return what the disk is to have none of."""
    return str(request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server whose temporary files are on a small disk of their own."""
    server = Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_WORKERS="1", SAGEMAKER_MODEL_SERVER_TIMEOUT="1")
    server.wrapper = mounting(
        f"mount -t tmpfs -o size=1m,nr_inodes=200 tmpfs {shlex.quote(str(server.temporary))}"
    )
    with server:
        yield server.wait_ready()


def test_workers_that_come_back_to_a_full_disk(server: Server, kind: str) -> None:
    """/ping turns to 503, and back to 200, without a byte or an inode; then a stop is a stop."""
    master = server.children()["gunicorn"]
    with without_room(server, kind):
        os.kill(master, signal.SIGSTOP)
        os.kill(workers(server)[0], signal.SIGKILL)
        wait_until(lambda: server.ping() == 503, timeout=PATIENCE)
        assert server.request("GET", "/ping").error["code"] == "wedged"
        os.kill(master, signal.SIGCONT)
        wait_until(lambda: server.ping() == 200, timeout=PATIENCE)
        assert server.invoke("1").status == 200
        assert server.stop() == 0


def test_reload_on_a_full_disk(server: Server, kind: str) -> None:
    """It fails in one line of the log, what served serves on, and one that is asked for later succeeds."""
    old = server.children()["gunicorn"]
    with Pings(server) as pings, Load(server) as load:
        with without_room(server, kind):
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "reload failed" in server.text or not is_alive(old), timeout=PATIENCE)
            wait_for_answers(load, 50)
            assert is_alive(old)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not is_alive(old), timeout=PATIENCE)
        wait_for_answers(load, 50)
    assert server.stop() == 0
    assert server.text.count("reload failed") == 1
    unnoticed(f"a reload without {kind}", load, pings)


def test_disk_that_fills_up_while_a_reload_loads(tmp_path: Path, kind: str) -> None:
    """Nginx is led to the new gunicorn as soon as there is room for it, and to the old one until then."""
    server = Server(tmp_path, FAULTY, FAULTY_LOAD_SECONDS="2")
    temporary = shlex.quote(str(server.temporary))
    server.wrapper = mounting(f"mount -t tmpfs -o size=1m,nr_inodes=200 tmpfs {temporary}")
    with server:
        server.wait_ready()
        old = server.children()["gunicorn"]
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "reloading" in server.text)
        seen = Path(f"/proc/{server.process.pid}/root{server.temporary}")
        (run,) = seen.iterdir()
        wait_until((run / "2.sock").exists, timeout=PATIENCE)  # the last that gunicorn makes there
        with without_room(server, kind):
            if kind == "inodes":
                wait_until(lambda: "nginx cannot be led to gunicorn" in server.text, timeout=PATIENCE)
                assert is_alive(old)
            assert server.invoke("1").status == 200
        wait_until(lambda: not is_alive(old), timeout=PATIENCE)
        assert server.invoke("1").status == 200
        assert server.ping() == 200
        assert server.stop() == 0


def test_start_on_a_full_disk_is_told(tmp_path: Path) -> None:
    """Without room for its files `serve` says so in one line, and no traceback."""
    temporary = shlex.quote(str(tmp_path))
    environ = {
        "SAGEMAKER_BASE_DIR": "/nowhere",
        "TMPDIR": str(tmp_path),
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
    }
    for inodes in range(2, 20, 3):
        wrapper = mounting(f"mount -t tmpfs -o nr_inodes={inodes} tmpfs {temporary}")
        command = [*wrapper, sys.executable, "-m", "mlberth_serve"]
        done = subprocess.run(
            command, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode in (70, 78), done.stderr
        assert re.search(r"^serve: .* No space left on device", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr


def run_folder(server: Server) -> Path:
    """Return the server's private folder."""
    (folder,) = server.temporary.iterdir()
    return folder


def test_socket_that_is_gone_ends_the_server(tmp_path: Path) -> None:
    """Nobody can reach the workers any more: /ping is no 200, and `serve` ends with the cause."""
    with Server(tmp_path, FAULTY, SAGEMAKER_LOG_FORMAT="json") as server:
        server.wait_ready()
        (run_folder(server) / "1.sock").unlink()
        wait_until(lambda: server.ping() != 200, timeout=PATIENCE)
        assert server.process.wait(30) == 70
        assert server.failure["faults"][0]["where"] == "gunicorn.sock"


def test_socket_at_which_nobody_listens_ends_the_server(tmp_path: Path) -> None:
    """The same where there is one, and it is nobody's."""
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        path = run_folder(server) / "1.sock"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
        wait_until(lambda: server.ping() != 200, timeout=PATIENCE)
        assert server.process.wait(30) == 70


@pytest.mark.parametrize("name", ["gunicorn.sock", "state/documents", "state/ready"])
def test_what_cleans_the_folder_for_temporary_files(tmp_path: Path, name: str) -> None:
    """Links, and the file that says ready, are put back."""
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        path = run_folder(server) / name
        path.unlink()
        wait_until(lambda: path.exists() or path.is_symlink(), timeout=PATIENCE)
        wait_until(lambda: server.ping() == 200 and server.invoke("1").status == 200, timeout=PATIENCE)
        assert server.stop() == 0


def test_bound_socket_is_found_without_waking_it(tmp_path: Path) -> None:
    """Through a link too; one that is gone, or nobody's, or no socket, is none."""
    path, link = tmp_path / "socket", tmp_path / "link"
    link.symlink_to(path)
    now = 0.0
    watch = SocketWatch(link, lambda: now)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        assert is_bound(link)
        assert watch.seconds_gone() is None
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not is_bound(link)  # the file is left
    assert watch.seconds_gone() == 0
    now = 3.0
    assert watch.seconds_gone() == 3
    path.unlink()
    assert not is_bound(link)
    path.write_text("")
    assert not is_bound(link)
