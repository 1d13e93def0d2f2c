"""Tests of `mlberth ps`, `logs`, `stop` and `gc`, and of `down` while a job runs, with real jobs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.archives import packed
from tests.local.end_to_end.daemon import Daemon
from tests.support import is_alive, wait_until

SLEEPER = """\
import os, signal, sys, time
from pathlib import Path
Path(os.environ["SM_HP_PID_FILE"]).write_text(str(os.getpid()))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("saved", flush=True)))
print("sleeping", flush=True)
time.sleep(600)
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon for one test."""
    daemon = Daemon(tmp_path)
    assert daemon.up().returncode == 0
    yield daemon
    daemon.run("down")


def client(daemon: Daemon, service: str) -> Any:
    """Return a boto3 client of a daemon."""
    url = f"http://127.0.0.1:{daemon.port}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)


def start_sleeper(daemon: Daemon, name: str) -> int:
    """Start a job that sleeps; returns the program's process id."""
    pid_file = daemon.folder / f"{name}.pid"
    s3 = client(daemon, "s3")
    s3.create_bucket(Bucket="job-commands")
    s3.put_object(Bucket="job-commands", Key="sourcedir.tar.gz", Body=packed("train.py", SLEEPER))
    client(daemon, "sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "mlberth-train:base", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/mlberth",
        OutputDataConfig={"S3OutputPath": "s3://job-commands/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://job-commands/sourcedir.tar.gz",
            "pid_file": str(pid_file),
        },
    )
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    return int(pid_file.read_text())


def status(daemon: Daemon, name: str) -> str:
    """Return a job's status from `ps --all`."""
    rows = [line.split() for line in daemon.run("ps", "--all").stdout.splitlines()]
    return next(row[4] for row in rows if row[0] == name)


def test_a_job_is_listed_followed_and_stopped(daemon: Daemon) -> None:
    pid = start_sleeper(daemon, "listed")
    assert "listed  training-job" in daemon.run("ps").stdout
    assert "sleeping" in daemon.run("logs", "listed").stdout
    assert daemon.run("stop", "listed").returncode == 0
    followed = daemon.run("logs", "-f", "listed").stdout
    assert "saved" in followed
    assert not is_alive(pid)
    assert status(daemon, "listed") == "Stopped"
    assert daemon.run("ps").stdout.splitlines()[1:] == []
    assert daemon.run("gc").stdout == "nothing is left over\n"
    missing = daemon.run("logs", "other")
    assert (missing.returncode, "The newest are: listed." in missing.stderr) == (70, True)
    again = daemon.run("stop", "listed")
    assert (again.returncode, "Traceback" in again.stderr) == (70, False)


def test_an_interrupted_job_starts_again(daemon: Daemon) -> None:
    """Its programs may save, and another attempt follows; a job that is not there cannot be interrupted."""
    first = start_sleeper(daemon, "spot")
    done = daemon.run("interrupt", "spot")
    assert done.stdout == "spot is interrupted, and starts again\n", done.stderr
    wait_until(lambda: not is_alive(first))
    pid_file = daemon.folder / "spot.pid"
    wait_until(lambda: pid_file.read_text() not in ("", str(first)), timeout=60)
    wait_until(lambda: daemon.run("logs", "spot").stdout.split().count("sleeping") == 2, timeout=60)
    missing = daemon.run("interrupt", "none")
    assert missing.returncode == 70
    assert "Requested resource not found" in missing.stderr


def test_down_ends_the_jobs(daemon: Daemon) -> None:
    pid = start_sleeper(daemon, "ended")
    assert daemon.run("down").returncode == 0
    assert not is_alive(pid)
    assert status(daemon, "ended") == "Stopped"
    assert "saved" in daemon.run("logs", "ended").stdout


def test_down_ends_the_jobs_of_a_daemon_that_was_killed(daemon: Daemon) -> None:
    pid = start_sleeper(daemon, "orphan")
    os.kill(int((daemon.home / "daemon.pid").read_text()), signal.SIGKILL)
    assert is_alive(pid)
    wait_until(lambda: daemon.run("status").returncode == 3)
    assert daemon.run("down").returncode == 0
    assert not is_alive(pid)
    assert status(daemon, "orphan") == "Stopped"


def test_jobs_ask_the_platform_with_a_key_of_their_own(daemon: Daemon) -> None:
    pid = start_sleeper(daemon, "keyed")
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    environ = dict(entry.partition("=")[::2] for entry in entries)
    keys = json.loads((daemon.home / "keys.json").read_text())
    assert environ["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{daemon.port}"
    assert keys[environ["AWS_ACCESS_KEY_ID"]] == environ["AWS_SECRET_ACCESS_KEY"]
    assert environ["AWS_ACCESS_KEY_ID"].startswith("MLBERTHCONTAINER")
