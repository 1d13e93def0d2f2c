"""The examples of the platform, run whole: by the `aws` command, and the notebook by SDK v2."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.local.end_to_end.daemon import Daemon
from tests.peers import SDK_V2, python_with

EXAMPLES = Path(__file__).parents[3] / "examples"
IMAGES = ("mlberth-train:xgboost", "mlberth-serve:xgboost")
# The SDK looks at a job's status every 30 seconds, as is right for a cloud.
IMPATIENT = """\
import time, types, sagemaker
fast = types.SimpleNamespace(sleep=lambda _: time.sleep(0.1), time=lambda: time.time() * 300)
sagemaker.session.time = fast
"""
SPECIES = [str(number // 50) for number in range(150)][::5]
pytestmark = pytest.mark.skipif(
    os.environ.get("MLBERTH_LONG") != "1", reason="MLBERTH_LONG=1: takes a minute"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon for one test."""
    daemon = Daemon(tmp_path)
    assert daemon.up().returncode == 0
    yield daemon
    daemon.run("down")


def check(shown: str) -> None:
    """Check that the answers are behind their rows, and nearly all right."""
    rows = [line for line in shown.splitlines() if re.fullmatch(r"[\d.]+(,[\d.]+){4}", line)]
    assert len(rows) == len(SPECIES), shown[-3000:]
    found = [row.rpartition(",")[2] for row in rows]
    right = sum(float(one) == float(species) for one, species in zip(found, SPECIES, strict=True))
    assert right >= 0.9 * len(SPECIES), found


def by_aws(daemon: Daemon, images: tuple[str, ...] = ()) -> None:
    """Run the script as a person does."""
    environ = daemon.client_environ()
    path = f"{Path(sys.executable).parent}:{environ['PATH']}"
    script = str(EXAMPLES / "platform/jobs.sh")
    done = subprocess.run(
        [script, *images],
        env={**environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sum("Completed" in line for line in lines) == 3
    check(done.stdout)


def by_notebook(daemon: Daemon, images: tuple[str, str] = IMAGES) -> None:
    """Run the cells of the notebook one after the other."""
    cells = json.loads((EXAMPLES / "platform/flowers.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    own: Mapping[str, str] = {"EXAMPLES": str(EXAMPLES), "TRAIN_IMAGE": images[0], "SERVE_IMAGE": images[1]}
    argv = [python_with(SDK_V2), "-c", IMPATIENT + code]
    done = subprocess.run(
        argv, env={**daemon.client_environ(), **own}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    check(done.stdout)


@pytest.mark.skipif(not shutil.which("aws", path=str(Path(sys.executable).parent)), reason="no aws command")
def test_the_script(daemon: Daemon) -> None:
    by_aws(daemon)


def test_the_notebook(daemon: Daemon) -> None:
    by_notebook(daemon)
