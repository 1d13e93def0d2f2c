"""Measure the platform's front: its start, its memory, a Describe, and large objects beside `cp`.

python -m bench.platform [MEGABYTES]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.test_job_commands import client

DESCRIBES = 500
STARTS = 5
_TICK = os.sysconf("SC_CLK_TCK")


def main(megabytes: int = 1024) -> None:
    """Print a line for each figure."""
    with tempfile.TemporaryDirectory(prefix="bench-platform-") as folder:
        daemon = Daemon(Path(folder))
        starts = [seconds(daemon.up) for _ in once_more(daemon)]
        print(f"up --detach: best {min(starts):.2f} s, worst {max(starts):.2f} s (at most 0.6 wanted)")
        with running(daemon) as pid:
            print(f"memory, idle: {resident(pid) / 1e6:.0f} MB (at most 80 wanted)")
            print(f"DescribeModel: {describe(daemon, pid) * 1e3:.2f} ms of CPU (at most 1 wanted)")
            transfers(daemon, pid, Path(folder), megabytes)


def once_more(daemon: Daemon) -> Iterator[int]:
    """Let the loop's body start the daemon some times."""
    for number in range(STARTS):
        yield number
        daemon.run("down")


@contextmanager
def running(daemon: Daemon) -> Iterator[int]:
    """Run the daemon; gives its process id when it has loaded all that it loads in the background."""
    daemon.up()
    pid = int((daemon.home / "daemon.pid").read_text())
    client(daemon, "s3").list_buckets()
    time.sleep(2)
    try:
        yield pid
    finally:
        daemon.run("down")


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def resident(pid: int) -> int:
    """Return a process's memory in bytes."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


def cpu(pid: int) -> float:
    """Return a process's CPU time in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def describe(daemon: Daemon, pid: int) -> float:
    """Return the daemon's CPU time for a Describe, in seconds."""
    role = "arn:aws:iam::000000000000:role/mlberth"
    client(daemon, "sagemaker").create_model(
        ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "mlberth-serve:base"}
    )
    connection = HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    headers = {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Type": "application/x-amz-json-1.1"}
    before = cpu(pid)
    for _ in range(DESCRIBES):
        connection.request("POST", "/", b'{"ModelName":"m"}', headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()
    return (cpu(pid) - before) / DESCRIBES


def transfers(daemon: Daemon, pid: int, folder: Path, megabytes: int) -> None:
    """Print how fast an object goes in and out, beside a copy by `cp`; and the MD5 that its ETag is."""
    source, target = folder / "source", folder / "target"
    with source.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))
    client(daemon, "s3").create_bucket(Bucket="bench")
    url = f"http://127.0.0.1:{daemon.port}/bench/object"
    copied = seconds(lambda: subprocess.run(["cp", source, target], check=True))
    target.unlink()
    curl = ["curl", "-sS", "--fail", "-H", "Expect:"]
    hashed = seconds(lambda: subprocess.run(["md5sum", source], check=True, stdout=subprocess.DEVNULL))
    print(f"{megabytes} MB: cp {copied:.2f} s, md5sum {hashed:.2f} s")
    for name, words in (("in", ["-T", source, url]), ("out", ["-o", target, url])):
        before = cpu(pid)
        took = seconds(lambda words=words: subprocess.run([*curl, *words], check=True))  # type: ignore[misc]
        used = cpu(pid) - before
        # What comes in is hashed; what goes out is not.
        least = copied + hashed if name == "in" else copied
        speed = (
            f"{megabytes / took:.0f} MB/s, {copied / took:.2f} of cp's speed, {least / took:.2f} of its limit"
        )
        print(f"{megabytes} MB {name}: {took:.2f} s, {speed}; {used:.2f} s of the daemon's CPU")
    print(f"memory after it: {resident(pid) / 1e6:.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
