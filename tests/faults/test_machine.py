"""Machines without memory, disk, shared memory or a reader of the log: what still works, and what is said."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.faults.limits import memory_cgroup, mounting
from tests.faults.load import (
    FAULTY,
    PATIENCE,
    Load,
    Pings,
    report,
    unnoticed,
    wait_for_answers,
    workers,
)
from tests.serve.running import Server
from tests.support import is_alive, wait_until

pytestmark = pytest.mark.usefixtures("nginx")


def test_28_memory_that_a_worker_may_not_have(tmp_path: Path) -> None:
    """Beyond a limit of its own a worker fails the one request, and goes on."""
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
        for worker in workers(server):
            limit = ["prlimit", f"--as={1 << 30}", "--pid", str(worker)]
            subprocess.run(limit, check=True, timeout=PATIENCE)
        with Pings(server) as pings, Load(server) as load:
            wait_for_answers(load, 50)
            answer = server.invoke("leak 2000")
            wait_for_answers(load, 50)
    unnoticed("a worker at its limit of memory", load, pings)
    assert answer.status == 500
    assert "MemoryError" in server.text


@pytest.mark.parametrize("retry", ["true", "false"])
def test_28_kernel_out_of_memory_takes_a_worker(tmp_path: Path, retry: str) -> None:
    """The worker that wants too much is killed, and no other process of the server; the rest serves on."""
    cgroup = memory_cgroup(256 << 20)
    try:
        server = Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_RETRY=retry)
        server.wrapper = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs && exec "$@"', "sh"]
        with server:
            server.wait_ready()
            wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
            masters = [server.process.pid, *server.children().values()]
            assert [oom_score(pid) for pid in masters] == [oom_score(os.getpid())] * len(masters)
            wait_until(lambda: {oom_score(pid) for pid in workers(server)} == {500}, timeout=PATIENCE)
            before = workers(server)
            with Pings(server) as pings, Load(server, clients=2) as load:
                wait_for_answers(load, 50)
                began = time.monotonic()
                answer = server.invoke("leak 400")
                wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
                recovery = time.monotonic() - began
                wait_for_answers(load, 50)
            assert all(map(is_alive, masters))
            assert "memory ran out, and the kernel took the process" in server.text
            # Without the retry nginx may answer before the master has seen the death.
            if answer.status == 502 and retry == "true":
                assert answer.error["message"].endswith("died with this request: memory ran out.")
            lost = len(set(before) - set(workers(server)))
            assert server.stop() == 0
    finally:
        wait_until(lambda: not (cgroup / "cgroup.procs").read_text(), timeout=PATIENCE)
        cgroup.rmdir()
    # A worker that predicts for somebody else may be the one that the kernel takes.
    others = len(load.failures)
    report(
        "the kernel out of memory",
        n=load.count,
        failed=others,
        recovery=recovery,
        pings=pings,
        workers_lost=lost,
    )
    assert answer.status == 502 or others
    assert others <= lost
    assert lost >= 1
    assert pings.statuses == {200}


def oom_score(pid: int) -> int:
    """Return by how much the kernel is the sooner to take a process where memory runs out."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_37_full_disk_costs_large_requests_alone(tmp_path: Path) -> None:
    """A body that does not fit where temporary files go is refused in the one form; small ones are served."""
    # With room for so many requests nginx keeps no large body in memory.
    server = Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="100000")
    server.wrapper = mounting(f"mount -t tmpfs -o size=1m tmpfs {shlex.quote(str(server.temporary))}")
    with server:
        server.wait_ready()
        with Pings(server) as pings, Load(server) as load:
            wait_for_answers(load, 50)
            refused = [server.invoke("x" * (4 << 20)) for _ in range(5)]
            wait_for_answers(load, 200)
        assert server.stop() == 0
    unnoticed("a full disk", load, pings)
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(507, "insufficient_storage")}


def test_37_disk_that_fills_up_does_not_end_the_server(tmp_path: Path) -> None:
    """Where not one byte is left, what is small is answered, workers are replaced, and a stop is a stop."""
    folder = shlex.quote(str(tmp_path / "tmp"))
    server = Server(tmp_path, FAULTY)
    server.wrapper = mounting(f"mount -t tmpfs -o size=1m tmpfs {folder}")
    with server:
        server.wait_ready()
        # The mount is in the server's own namespace, which /proc leads into.
        seen = Path(f"/proc/{server.process.pid}/root{server.temporary}")
        with (seen / "full").open("wb", buffering=0) as file:
            assert fill(file.fileno()) == errno.ENOSPC
        with Pings(server) as pings, Load(server) as load:
            wait_for_answers(load, 50)
            began = time.monotonic()
            os.kill(workers(server)[0], signal.SIGKILL)
            wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
            recovery = time.monotonic() - began
            wait_until(lambda: "/metrics is not kept up to date" in server.text, timeout=PATIENCE)
            wait_for_answers(load, 200)
        assert server.stop() == 0
    unnoticed("a disk without a byte", load, pings, recovery=recovery)


def fill(descriptor: int) -> int:
    """Write until that fails, and return how."""
    while True:
        try:
            os.write(descriptor, b"." * 1024)
        except OSError as error:
            return error.errno or 0


SHARED_MEMORY = {
    "read-only": ["mount -t tmpfs -o size=64k,ro tmpfs /dev/shm"],
    "full": ["mount -t tmpfs -o size=64k tmpfs /dev/shm", "head -c 64k /dev/zero > /dev/shm/full"],
    # A /dev of its own, with the devices of every container and no more.
    "absent": [
        'mkdir "$TMPDIR/dev" && mount -t tmpfs tmpfs "$TMPDIR/dev"',
        'cd "$TMPDIR/dev" && touch null zero full random urandom tty',
        'for each in *; do mount --bind "/dev/$each" "$each"; done',
        'cd "$OLDPWD"',
        'mount --rbind "$TMPDIR/dev" /dev',
    ],
}


@pytest.mark.parametrize("state", SHARED_MEMORY)
def test_38_shared_memory_and_root_that_cannot_be_written(tmp_path: Path, state: str) -> None:
    """With a read-only root and no room in /dev/shm the server starts, serves and replaces its workers."""
    server = Server(tmp_path, FAULTY)
    server.wrapper = mounting(
        *SHARED_MEMORY[state],
        "mount --bind / /",
        "mount -o remount,ro,bind /",
        f"mount -t tmpfs -o size=8m tmpfs {shlex.quote(str(server.temporary))}",
    )
    began = time.monotonic()
    with server:
        server.wait_ready()
        recovery = time.monotonic() - began
        root = Path(f"/proc/{server.process.pid}/root")
        assert not os.access(root / "usr", os.W_OK)
        assert (root / "dev/shm").exists() == (state != "absent")
        with Pings(server) as pings, Load(server) as load:
            wait_for_answers(load, 50)
            victim = workers(server)[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(set(workers(server)) - {victim}) == 2, timeout=PATIENCE)
            wait_for_answers(load, 50)
        assert server.stop() == 0
    unnoticed(f"a read-only root, /dev/shm {state}", load, pings, recovery=recovery)


def test_39_nobody_reads_the_log(tmp_path: Path) -> None:
    """With a full pipe for its output the server serves, replaces, reloads and stops; then it tells."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as log:
        server = Server(tmp_path, FAULTY)
        server.output = writer
        with server:
            server.wait_ready()
            assert fill(writer) == errno.EAGAIN
            os.set_blocking(writer, True)  # it is the server's standard output as well
            os.close(writer)
            with Pings(server) as pings, Load(server) as load:
                wait_for_answers(load, 50)
                os.kill(workers(server)[0], signal.SIGKILL)
                old = server.children()["gunicorn"]
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: not is_alive(old), timeout=PATIENCE)
                wait_for_answers(load, 50)
            os.read(log.fileno(), 1 << 20)
            began = time.monotonic()
            assert server.stop() == 0
            recovery = time.monotonic() - began
            told = log.read().decode()
    unnoticed("a log that nobody reads", load, pings, recovery=recovery)
    assert "records before this one were dropped: nobody read them" in told
