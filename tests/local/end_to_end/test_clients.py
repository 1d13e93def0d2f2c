"""Unmodified clients at `mlberth up`, by environment alone: both SDKs, and the aws command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.local.end_to_end.daemon import Daemon
from tests.peers import SDK_V2, SDK_V3, python_with

CLIENTS = Path(__file__).parent / "clients"
AWS = Path(sys.executable).with_name("aws")
ROLE = "arn:aws:iam::000000000000:role/mlberth"
BUCKET = "sagemaker-us-east-1-000000000000"
LONG = os.environ.get("MLBERTH_LONG") == "1"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file."""
    daemon = Daemon(tmp_path_factory.mktemp("clients"))
    started = daemon.up()
    assert started.returncode == 0, started.stderr
    yield daemon
    daemon.run("down")


@pytest.fixture(scope="module")
def environ(daemon: Daemon) -> dict[str, str]:
    """Return a client's environment."""
    return daemon.client_environ()


def aws(environ: dict[str, str], *arguments: str, cwd: Path) -> str:
    """Run the aws command; returns what it printed."""
    argv = [sys.executable, str(AWS), *arguments]
    done = subprocess.run(argv, env=environ, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_aws_command(environ: dict[str, str], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, content in {"a/1.txt": b"1", "b c.txt": b"2", "large": os.urandom(9 << 20)}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    place = environ["AWS_ENDPOINT_URL"] + "/from-the-shell"
    assert requests.put(place, timeout=5).status_code == 200
    aws(environ, "s3", "sync", "tree", "s3://from-the-shell/t", cwd=tmp_path)
    # Above 8 MB it copies by parts.
    aws(environ, "s3", "cp", "s3://from-the-shell/t/large", "s3://from-the-shell/copy", cwd=tmp_path)
    assert requests.get(f"{place}/copy", timeout=5).content == (tree / "large").read_bytes()
    url = aws(environ, "s3", "presign", "s3://from-the-shell/t/b c.txt", cwd=tmp_path).strip()
    assert requests.get(url, timeout=10).content == b"2"


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: each call of the command takes a second")
def test_more_of_the_aws_command(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a b").write_bytes(os.urandom(9 << 20))
    aws(environ, "s3", "mb", "s3://more", cwd=tmp_path)
    aws(environ, "s3", "cp", "--recursive", "tree", "s3://more/t", cwd=tmp_path)
    assert aws(environ, "s3", "sync", "tree", "s3://more/t", cwd=tmp_path) == ""
    listed = aws(environ, "s3", "ls", "--recursive", "s3://more", cwd=tmp_path)
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == ["t/a b"]
    aws(environ, "s3", "cp", "s3://more/t/a b", "back", cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "tree/a b").read_bytes()
    aws(environ, "s3", "rm", "--recursive", "s3://more", cwd=tmp_path)
    aws(environ, "s3", "rb", "s3://more", cwd=tmp_path)
    assert json.loads(aws(environ, "sts", "get-caller-identity", cwd=tmp_path))["Account"] == "000000000000"


def sdk(requirement: str, program: str, environ: dict[str, str], folder: Path) -> dict[str, object]:
    """Run a program with an SDK; returns what it found."""
    argv = [python_with(requirement), str(CLIENTS / program), str(folder)]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_sdk_v2(environ: dict[str, str], tmp_path: Path) -> None:
    """`default_bucket`, `get_execution_role` and `account_id` ask STS at an address of their own."""
    assert sdk(SDK_V2, "sdk_v2.py", environ, tmp_path) == {
        "bucket": BUCKET,
        "account": "000000000000",
        "role": ROLE,
        "uploaded": f"s3://{BUCKET}/data/data.csv",
        "read": "1,2\n",
        "listed": ["data/data.csv"],
    }


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: importing the SDK takes a while")
def test_sdk_v3(environ: dict[str, str], tmp_path: Path) -> None:
    assert sdk(SDK_V3, "sdk_v3.py", environ, tmp_path) == {
        "bucket": BUCKET,
        "account": "000000000000",
        "role": ROLE,
        "trainer_role": ROLE,
        "uploaded": f"s3://{BUCKET}/data/data.csv",
        "read": "1,2\n",
    }


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: the SDK waits between its looks")
def test_sdk_v2_runs_jobs(environ: dict[str, str], tmp_path: Path) -> None:
    """The image of a framework is found by the table of images; logs, metrics and `attach` work."""
    found = sdk(SDK_V2, "sdk_v2_fit.py", environ, tmp_path)
    assert found == {"model": True, "metrics": [0.25], "processing": "Completed"}


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: the SDK waits between its looks")
def test_sdk_v3_runs_jobs(environ: dict[str, str], tmp_path: Path) -> None:
    found = sdk(SDK_V3, "sdk_v3_train.py", environ, tmp_path)
    assert found == {"status": "Completed"}
