"""Unmodified SDKs run real jobs on `mlberth up`, by environment alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.end_to_end.daemon import Daemon
from tests.peers import SDK_V2, SDK_V3, python_with

CLIENTS = Path(__file__).parent / "clients"
LONG = os.environ.get("MLBERTH_LONG") == "1"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file."""
    daemon = Daemon(tmp_path_factory.mktemp("jobs"))
    started = daemon.up()
    assert started.returncode == 0, started.stderr
    yield daemon
    daemon.run("down")


def run(program: str, requirement: str, daemon: Daemon, *arguments: str) -> tuple[dict[str, object], str]:
    """Run a client; returns what it found, and what it has shown."""
    argv = [python_with(requirement), str(CLIENTS / program), *arguments]
    done = subprocess.run(
        argv, env=daemon.client_environ(), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_sdk_v2(daemon: Daemon, tmp_path: Path) -> None:
    """`fit` in script mode with logs, `attach`, metrics, a script processor, and a transform with a join."""
    found, shown = run("jobs_v2.py", SDK_V2, daemon, str(tmp_path), "any:train", "any:serve")
    assert found == {
        "status": "Completed",
        "model": True,
        "loss": [0.25],
        "processed": "total=6",
        "transformed": "1,4\n2,8\n3,12\n",
    }
    # Each line once.
    assert shown.count("loss=0.25") == 1
    assert shown.count("processed\n") == 1
    assert "MaxConcurrentTransforms=" in shown


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: importing the SDK takes a while")
def test_sdk_v3(daemon: Daemon, tmp_path: Path) -> None:
    """`ModelTrainer` with its own drivers, which know /opt/ml by name."""
    found, _ = run("jobs_v3.py", SDK_V3, daemon, str(tmp_path), "any:train")
    assert found["status"] == "Completed"
    assert str(found["model"]).endswith("/output/model.tar.gz")
    name = str(found["model"]).split("/")[-3]
    assert "['train.csv'] 4" in daemon.run("logs", name).stdout
