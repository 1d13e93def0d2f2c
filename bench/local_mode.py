"""An empty training job by the local mode of the SageMaker SDK, unmodified, in an image of Docker."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

from tests.peers import SDK_V2, offline_environ, python_with

_PROGRAM = """
import json, logging, sys, time
logging.disable()
from sagemaker.local import LocalSession

folder, image, rounds = sys.argv[1:]
session = LocalSession()
session.config = {"local": {"local_code": True, "container_root": folder}}
for number in range(int(rounds)):
    began = time.perf_counter()
    session.sagemaker_client.create_training_job(
        TrainingJobName=f"empty-{number}",
        AlgorithmSpecification={"TrainingImage": image},
        OutputDataConfig={"S3OutputPath": f"file://{folder}/out"},
        ResourceConfig={"InstanceType": "local", "InstanceCount": 1},
        HyperParameters={
            "sagemaker_program": json.dumps("train.py"),
            "sagemaker_submit_directory": json.dumps(f"file://{folder}/source"),
        },
    )
    print("seconds", time.perf_counter() - began)
"""


def empty_job(folder: Path, image: str, text: str, rounds: int) -> float:
    """Return how many seconds a job with a program takes: the median of all rounds but the first."""
    python = python_with(SDK_V2)
    (folder / "source").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "source/train.py").write_text(text)
    environ = offline_environ(folder)
    argv = [python, "-c", _PROGRAM, str(folder), image, str(rounds + 1)]
    before = _containers()
    try:
        done = subprocess.run(
            argv, env=environ, cwd=folder, capture_output=True, text=True, timeout=600, check=False
        )
    finally:
        if left := _containers() - before:
            subprocess.run(["docker", "rm", "--force", *left], check=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    times = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("seconds ")]
    return statistics.median(times[1:])


def _containers() -> set[str]:
    """Return the containers that the SDK has left on its network."""
    argv = ["docker", "ps", "--all", "--quiet", "--filter", "network=sagemaker-local"]
    return set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())
