"""Faults of the platform's jobs: batches, Ctrl-C, kills, ports and disks. Rows 40 to 46 of the matrix."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.faults.load import LONG, report
from tests.faults.test_machine import fill
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.local.end_to_end.test_job_commands import client
from tests.local.jobs.job_platform import JobPlatform
from tests.local.jobs.recovery import kill_at_random
from tests.local.jobs.test_transform import describe, model, request, transform
from tests.support import wait_until, within

from mlberth_local.engines import shim
from mlberth_local.sagemaker import transform_jobs

__all__ = ["model"]
ROWS = 500


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return the jobs of a home, with processes as hosts."""
    with closing(JobPlatform(tmp_path)) as found:
        yield found


def outputs(jobs: JobPlatform) -> list[str]:
    """Return the results that a transform has left, and what is on its way to be one."""
    copies = jobs.home / "s3/.copies"
    left = [*(jobs.bucket / "out").glob("*"), *(copies.iterdir() if copies.exists() else ())]
    return sorted(path.name for path in left)


def test_40_one_record_of_a_batch_fails(model: JobPlatform) -> None:
    """The job has failed, names the object, and has no shorter result; the others' results are whole."""
    rows = ["x"] * ROWS
    model.put("in/good.csv", "\n".join(rows))
    rows[random.Random(0).randrange(ROWS)] = "bad"
    model.put("in/wrong.csv", "\n".join(rows))
    found = transform(model, BatchStrategy="SingleRecord", ModelClientConfig={"InvocationsMaxRetries": 0})
    assert (found["TransformJobStatus"], "in/wrong.csv" in found["FailureReason"]) == ("Failed", True)
    assert outputs(model) == ["good.csv.out"]
    count = len((model.bucket / "out/good.csv.out").read_text().splitlines())
    report("a record of a batch fails", n=2 * ROWS, failed=0 if count == ROWS else 1)
    assert count == ROWS


def servers(jobs: JobPlatform) -> list[int]:
    """Return the processes of the model server of a transform."""
    base = f"SAGEMAKER_BASE_DIR={jobs.home}/runs".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [int(path.parent.name)] if base in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_41_the_server_of_a_batch_dies(model: JobPlatform) -> None:
    """No part of a result is to be seen, and the job says what has happened."""
    model.put("in/a.csv", "x\n")
    model.put("in/b.csv", "slow\n")

    transform_jobs.create_transform_job(model.platform, request())
    wait_until((model.bucket / "out/a.csv.out").exists)
    began = time.monotonic()
    for pid in servers(model):
        os.kill(pid, signal.SIGKILL)
    assert model.jobs.join(60)
    found = describe(model)
    report("the server of a batch dies", n=1, failed=0, recovery=time.monotonic() - began)
    assert (found["TransformJobStatus"], outputs(model)) == ("Failed", ["a.csv.out"])
    assert found["FailureReason"].startswith("AlgorithmError: "), found


def test_42_a_line_that_is_longer_than_the_payload(model: JobPlatform) -> None:
    """The job names the object and the line."""
    model.put("in/a.csv", f"x\n{'y' * (1024 * 1024 + 1)}\nz\n")
    found = transform(model, MaxPayloadInMB=1)
    report("a line longer than MaxPayloadInMB", n=1, failed=0)
    assert (found["TransformJobStatus"], outputs(model)) == ("Failed", [])
    assert "in/a.csv" in found["FailureReason"]
    assert "line 2" in found["FailureReason"] or "record 2" in found["FailureReason"], found["FailureReason"]


@pytest.mark.parametrize("is_bound", [False, True], ids=["no-socket", "nobody-listens"])
def test_43_docker_is_not_there(tmp_path: Path, is_bound: bool) -> None:
    """A run ends with what to do, within seconds; no daemon stays."""
    daemon = Daemon(tmp_path)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as sock:
        if is_bound:
            sock.bind(f"{folder}/sock")
        environ = {"DOCKER_HOST": f"unix://{folder}/sock"}
        began = time.monotonic()
        done = daemon.run("run", "train", "--image", "x", "--engine", "docker", environ=environ)
        recovery = time.monotonic() - began
    name = "nobody listens at Docker's socket" if is_bound else "Docker is not there"
    report(name, n=1, failed=0, recovery=recovery)
    assert recovery <= within(5)
    words = "--engine process" in done.stderr, "Traceback" in done.stderr
    assert (done.returncode, *words) == (1, True, False), done.stderr
    assert daemon.run("status").returncode == 3


def test_44_control_c_at_any_moment(tmp_path: Path) -> None:
    """A run that is interrupted, before its daemon answers or when its job ends, leaves nothing."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project/train.py").write_text("import time; time.sleep(0.5)")
    daemon, moments, tries = Daemon(tmp_path), random.Random(44), 50 if LONG else 3
    for _ in range(tries):
        argv = [*MLBERTH, "run", "train", str(tmp_path / "project"), "--engine", "process"]
        with subprocess.Popen(
            argv,
            env=daemon.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as run:
            time.sleep(moments.uniform(0.1, 3.0))  # a random moment is what is being tested
            run.send_signal(signal.SIGINT)
            errors = run.communicate(timeout=60)[1].decode()
        assert run.returncode in (0, 130, -signal.SIGINT), errors
        wait_until(lambda: daemon.run("status").returncode == 3, timeout=60)
        left = [*(daemon.home / "runs").glob("*"), *(daemon.home / "engine").glob("*")]
        assert left == [], errors
    report("Ctrl-C of a run", n=tries, failed=0)


def test_45_a_killed_daemon(tmp_path: Path) -> None:
    """The next one goes on with its jobs: no line is lost or there twice, and nothing is left."""
    tries = 50 if LONG else 1
    for seed in range(tries):
        (tmp_path / str(seed)).mkdir()
        kill_at_random(tmp_path / str(seed), "process", "image", 1000 + seed)
    report("the daemon is killed", n=2 * tries, failed=0)


def test_46_the_port_is_in_use(tmp_path: Path) -> None:
    """`up` says so and changes nothing; it never answers for another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = Daemon(tmp_path, port=other.getsockname()[1])
        done = daemon.up()
    report("the port is in use", n=1, failed=0)
    assert (done.returncode, "somebody else listens" in done.stderr) == (98, True), done.stderr
    assert daemon.run("status").returncode == 3


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Daemon, Path]]:
    """Run a daemon whose home is a file system of 24 MB; returns it, and the home as it sees it."""
    daemon = Daemon(tmp_path)
    daemon.home.mkdir()
    up = [*MLBERTH, "up", "--port", str(daemon.port), "--engine", "process"]
    script = f"mount -t tmpfs -o size=24m tmpfs {shlex.quote(str(daemon.home))} && exec {shlex.join(up)}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    if (
        os.getuid()
        or subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no mounts without root")
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(argv, env=daemon.environ, stdout=log, stderr=log) as process,
    ):
        home = Path(f"/proc/{process.pid}/root{daemon.home}")
        wait_until(lambda: (home / "daemon.json").exists() or process.poll() is not None)
        yield daemon, home
        process.terminate()
        assert process.wait(60) == 0, (tmp_path / "log").read_text()


def start(daemon: Daemon, name: str, program: str = "print('trained')", **members: Any) -> Any:
    """Start a training job on three hosts; returns what describes it."""
    sagemaker = client(daemon, "sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", program],
        },
        RoleArn="arn:aws:iam::000000000000:role/mlberth",
        OutputDataConfig={"S3OutputPath": "s3://full/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        **members,
    )

    return lambda: dict(sagemaker.describe_training_job(TrainingJobName=name))


def ended(described: Any) -> dict[str, Any]:
    """Wait for the end of a job; return its description."""
    wait_until(lambda: described()["TrainingJobStatus"] in ("Completed", "Failed"), timeout=60)
    return dict(described())


def test_the_disk_of_the_home_is_full(small: tuple[Daemon, Path]) -> None:
    """A job whose copied input does not fit says so, what it has taken is free again, and the next runs."""
    daemon, home = small
    s3 = client(daemon, "s3")
    s3.create_bucket(Bucket="full")
    s3.put_object(Bucket="full", Key="in/a", Body=bytes(8 << 20))
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://full/in/a"}
    channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    began = time.monotonic()
    found = ended(start(daemon, "large", InputDataConfig=channels))
    report("the disk of the home is full", n=1, failed=0, recovery=time.monotonic() - began)
    assert found["TrainingJobStatus"] == "Failed"
    assert "no space is left on the disk of the platform's home" in found["FailureReason"]
    assert list((home / "runs").iterdir()) == []
    assert ended(start(daemon, "small"))["TrainingJobStatus"] == "Completed"


def test_the_disk_fills_up_while_a_job_runs(small: tuple[Daemon, Path]) -> None:
    """It goes on; its end is told as soon as there is room for it, and the next job runs."""
    daemon, home = small
    client(daemon, "s3").create_bucket(Bucket="full")
    described = start(daemon, "long", "import time; time.sleep(600)")
    wait_until(lambda: described()["SecondaryStatus"] == "Training")
    wait_until(lambda: len(list((home / "engine/training-job.long.1").glob("*/started.json"))) == 3)
    with (home / "filler").open("wb", buffering=0) as file:
        assert fill(file.fileno()) == errno.ENOSPC
    for path in (home / "engine/training-job.long.1").glob("*/started.json"):
        os.kill(json.loads(path.read_text())["pid"], shim.KILL)
    described()  # it is answered, whether or not the end of the job found room already
    (home / "filler").unlink()
    began = time.monotonic()
    found = ended(described)
    report("the disk is full when a job ends", n=1, failed=0, recovery=time.monotonic() - began)
    assert found["TrainingJobStatus"] == "Failed", found
    assert ended(start(daemon, "next"))["TrainingJobStatus"] == "Completed"
