"""Tests of `mlberth up`, `down`, `env` and `status`, as commands."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.support import is_alive, wait_until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Give the test a daemon that is not started yet, and stop it in the end."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.run("down")


def pid_of(daemon: Daemon) -> int:
    """Return the process id that the home names."""
    return int((daemon.home / "daemon.pid").read_text())


def answers(daemon: Daemon) -> bool:
    """Return whether the API answers for this home."""
    try:
        found = requests.get(f"http://127.0.0.1:{daemon.port}/_mlberth/health", timeout=5).json()
    except requests.ConnectionError:
        return False
    return bool(found["home"] == str(daemon.home))


def test_up_and_down(daemon: Daemon) -> None:
    assert daemon.run("status").returncode == 3
    started = daemon.up()
    assert (started.returncode, started.stderr) == (0, "")
    assert f"http://127.0.0.1:{daemon.port}" in started.stdout
    assert answers(daemon)
    assert is_alive(pid_of(daemon))
    assert str(daemon.port) in daemon.run("status").stdout
    again = daemon.up()
    assert (again.returncode, again.stdout.startswith("mlberth runs already: ")) == (0, True)
    pid = pid_of(daemon)
    assert daemon.run("down").returncode == 0
    assert not is_alive(pid)
    assert not (daemon.home / "daemon.pid").exists()
    assert "does not run" in daemon.run("down").stdout


def test_buckets_outlive_a_kill(daemon: Daemon) -> None:
    daemon.up()
    bucket = f"http://127.0.0.1:{daemon.port}/kept-bucket"
    assert requests.put(bucket, timeout=5).status_code == 200
    assert requests.put(f"{bucket}/k", data=b"1", headers={"x-amz-meta-a": "b"}, timeout=5).status_code == 200
    os.kill(pid_of(daemon), signal.SIGKILL)
    wait_until(lambda: not answers(daemon))
    assert daemon.run("status").returncode == 3
    assert daemon.up().returncode == 0
    found = requests.get(f"{bucket}/k", timeout=5)
    assert (found.content, found.headers["x-amz-meta-a"]) == (b"1", "b")


def test_a_port_that_is_taken(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", daemon.port)):
        failed = daemon.up()
    assert failed.returncode == 98
    assert f"port {daemon.port}: somebody else listens on" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert daemon.run("status").returncode == 3


def test_in_the_foreground(daemon: Daemon) -> None:
    argv = [*MLBERTH, "up", "--port", str(daemon.port), "--engine", "process"]
    with subprocess.Popen(argv, env=daemon.environ, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: answers(daemon))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Ctrl-C stops it" in out


def test_env_writes_one_file_and_down_removes_it(daemon: Daemon) -> None:
    assert daemon.run("env").returncode == 3
    daemon.up()
    told = daemon.run("env")
    assert all(line.startswith("export ") for line in told.stdout.splitlines())
    path = daemon.user_home / ".aws/models/endpoints.json"
    assert str(path) in told.stderr
    assert path.exists()
    assert daemon.run("env").stderr == ""
    daemon.run("down")
    assert not path.exists()


def test_a_file_of_the_users_own_stays(daemon: Daemon) -> None:
    path = daemon.user_home / ".aws/models/endpoints.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"partitions": []}')
    daemon.up()
    told = daemon.run("env")
    assert (told.returncode, "is not mlberth's" in told.stderr) == (0, True)
    daemon.run("down")
    assert path.read_text() == '{"partitions": []}'


def test_secrets_are_their_owners_alone(daemon: Daemon) -> None:
    daemon.up()
    daemon.run("env")
    for name in ("keys.json", "sts-key.pem"):
        assert (daemon.home / name).stat().st_mode & 0o077 == 0
    assert (daemon.home / "keys.json").read_text().split('"')[3] not in (
        daemon.home / "daemon.log"
    ).read_text()
