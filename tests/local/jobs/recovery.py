"""A job whose daemon is killed, and what is expected of it afterwards; for both engines."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.local.jobs.job_platform import JobPlatform, training

from mlberth_local.store.metrics import Series

LINES = 40
PROGRAM = f"""
import pathlib, time
for number in range({LINES}):
    print(number, 'loss=%s' % number, flush=True)
    time.sleep(0.01)
pathlib.Path('/opt/ml/model/weights').write_text('1')
"""
COMMITS = 8
"""As many as a training job makes from its start to its end."""


def request(image: str) -> dict[str, Any]:
    """Return the request of the job."""
    algorithm = {"TrainingImage": image, "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9]+)"}]}
    return training(PROGRAM, AlgorithmSpecification=algorithm)


def run_daemon(
    home: Path, engine: str, body: str, *, commit: int = -1, moment: str = "", kill_after: float | None = None
) -> bool:
    """Run a daemon to its kill, or to the end of its jobs; returns whether it was killed."""
    (home / "s3/bucket").mkdir(parents=True, exist_ok=True)
    words = [sys.executable, str(Path(__file__).with_name("killed_daemon.py")), str(home)]
    with subprocess.Popen([*words, str(commit), moment, engine, body], stdout=subprocess.PIPE) as daemon:
        if kill_after is not None:
            assert daemon.stdout
            daemon.stdout.readline()
            time.sleep(kill_after)  # a random moment is what is being tested
            daemon.kill()
        daemon.wait(120)
    return daemon.returncode == -9


def check_end(home: Path, engine: str) -> None:
    """Let a new daemon take up what is left, and look at how the job has ended."""
    with closing(JobPlatform(home, engine=engine)) as jobs:
        assert jobs.jobs.join(60)
        found = jobs.describe()
        assert found["TrainingJobStatus"] == "Completed", found
        numbers = [int(line.split()[0]) for line in jobs.lines()["algo-1"]]
        assert numbers == list(range(LINES))
        assert [one["Value"] for one in found["FinalMetricDataList"]] == [LINES - 1]
        series = Series("/aws/sagemaker/TrainingJobs", "loss", {"TrainingJobName": "job"})
        periods = jobs.jobs.context.metrics.periods(series, 0, 1e12, 1e12)
        assert [point.sum for period in periods for point in period.points] == list(range(LINES))
        statuses = [entry["Status"] for entry in found["SecondaryStatusTransitions"]]
        assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        with tarfile.open(jobs.bucket / "out/job/output/model.tar.gz") as tar:
            assert tar.getnames() == ["weights"]
        copies = jobs.home / "s3/.copies"
        assert not copies.exists() or list(copies.iterdir()) == []


def kill_at_random(home: Path, engine: str, image: str, seed: int) -> None:
    """Kill two daemons, one after the other, at random moments; the third one brings the job to its end."""
    moments = random.Random(seed)
    run_daemon(home, engine, json.dumps(request(image)), kill_after=moments.uniform(0, 0.8))
    run_daemon(home, engine, "", kill_after=moments.uniform(0, 0.5))
    check_end(home, engine)


def is_long() -> bool:
    """Return whether the long forms are wanted."""
    return os.environ.get("MLBERTH_LONG") == "1"
