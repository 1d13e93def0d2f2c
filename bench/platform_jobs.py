"""Measure the platform's jobs: what it adds to an empty one, many short ones, and a long list of old ones.

    python -m bench.platform_jobs [--jobs N] [--image NAME]

The empty job is timed from CreateTrainingJob to Completed, beside the same program without the platform:
`train` in the same tree; and if an image is named (it must be there), `docker run` of it and the local mode
of the SageMaker SDK. The short jobs sleep for a second each, four at once; by hand they are as many `train`,
four at once. Results go to bench/results/platform_jobs.json, and into the page on performance.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import sections
from bench.local_mode import empty_job
from tests.archives import packed
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.test_job_commands import client
from tests.support import wait_until

RESULTS = sections.RESULTS / "platform_jobs.json"
IMAGE = "mlberth-train:base"
"""With the process engine it stands for this environment."""
AT_ONCE = 4
OLD_JOBS = 10_000
_ROUNDS = 5
_LISTINGS = 20
_ASKING_SECONDS = 0.25
"""Between two looks at many jobs: who asks all the time takes from them a good part of a small machine."""
_BUCKET = "bench"
_PROGRAM = "train.py"
_SLEEP = "import time\ntime.sleep(1)\n"
_EMPTY = "pass\n"


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200, help="short ones (default 200)")
    parser.add_argument("--image", help="an image of Docker with `train`, for the empty job")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-jobs-") as folder:
        found: dict[str, Any] = {
            "empty": {"process": empty(Path(folder) / "process", "process", IMAGE)},
            "short": short(Path(folder) / "short", asked.jobs),
            "listing_ms": listing(Path(folder) / "list"),
        }
        if asked.image:
            found["empty"]["docker"] = empty(Path(folder) / "docker", "docker", asked.image)
            by_sdk = empty_job(Path(folder) / "sdk", asked.image, _EMPTY, _ROUNDS)
            for one in found["empty"].values():
                one |= {"sdk_s": round(by_sdk, 2), "share_of_sdk": round(one["platform_s"] / by_sdk, 2)}
    report = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1), **found}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    sections.write()
    print(json.dumps(report, indent=2))


@contextmanager
def platform(folder: Path, engine: str = "process") -> Iterator[Daemon]:
    """Run a daemon whose bucket has the programs; as many jobs run at once as are wanted."""
    folder.mkdir()
    daemon = Daemon(folder)
    argv = ("up", "--port", str(daemon.port), "--engine", engine, "--detach")
    done = daemon.run(*argv, environ={"MLBERTH_CPUS": str(AT_ONCE)})
    assert done.returncode == 0, done.stderr
    try:
        s3 = client(daemon, "s3")
        s3.create_bucket(Bucket=_BUCKET)
        for name, text in (("empty", _EMPTY), ("sleep", _SLEEP)):
            s3.put_object(Bucket=_BUCKET, Key=f"{name}.tar.gz", Body=packed(_PROGRAM, text))
        yield daemon
    finally:
        daemon.run("down")


def request(name: str, source: str, image: str) -> Mapping[str, Any]:
    """Return what CreateTrainingJob takes."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
        "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "HyperParameters": {
            "sagemaker_program": _PROGRAM,
            "sagemaker_submit_directory": f"s3://{_BUCKET}/{source}.tar.gz",
        },
    }


def empty(folder: Path, engine: str, image: str) -> dict[str, float]:
    """Return how long an empty job takes on the platform and without it, in seconds: medians."""
    ours, bare = [], []
    with platform(folder, engine) as daemon:
        api = client(daemon, "sagemaker")
        for number in range(_ROUNDS + 1):
            began = time.perf_counter()
            complete(api, request(f"empty-{number}", "empty", image))
            took = time.perf_counter() - began
            began = time.perf_counter()
            without(folder / f"bare-{number}", engine, image, _EMPTY)
            if number:  # the first of each warms up
                ours.append(took)
                bare.append(time.perf_counter() - began)
    added = statistics.median(ours) - statistics.median(bare)
    return {
        "platform_s": round(statistics.median(ours), 2),
        "without_s": round(statistics.median(bare), 2),
        "added_s": round(added, 2),
    }


def without(folder: Path, engine: str, image: str, text: str) -> None:
    """Run a program as the platform does, from a tree that is there."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / _PROGRAM).write_text(text)
    (folder / "input/config").mkdir(parents=True)
    program = {"SAGEMAKER_PROGRAM": _PROGRAM}
    if engine == "process":
        argv = [sys.executable, "-m", "mlberth_train"]
        environ = {**os.environ, **program, "SAGEMAKER_BASE_DIR": str(folder)}
    else:
        named = [word for name, value in program.items() for word in ("-e", f"{name}={value}")]
        argv = ["docker", "run", "--rm", *named, "-v", f"{folder}:/opt/ml", image, "train"]
        environ = {**os.environ}
    subprocess.run(argv, env=environ, check=True, capture_output=True)
    shutil.rmtree(folder)


def short(folder: Path, count: int) -> dict[str, float]:
    """Return how long jobs of a second take together, and the share of the ideal."""
    with platform(folder) as daemon:
        api = client(daemon, "sagemaker")
        complete(api, request("warm", "sleep", IMAGE))
        began = time.perf_counter()
        for number in range(count):
            api.create_training_job(**request(f"short-{number}", "sleep", IMAGE))
        deadline = began + 10.0 * count
        while api.list_training_jobs(StatusEquals="InProgress", MaxResults=1)["TrainingJobSummaries"]:
            assert time.perf_counter() < deadline
            time.sleep(_ASKING_SECONDS)
        took = time.perf_counter() - began
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(
                pool.map(lambda number: without(folder / f"{number}", "process", IMAGE, _SLEEP), range(count))
            )
        by_hand = time.perf_counter() - began
        done = api.list_training_jobs(StatusEquals="Completed", MaxResults=100)["TrainingJobSummaries"]
        assert len(done) == min(100, count + 1)
    return {
        "jobs": count,
        "seconds": round(took, 1),
        "share_of_ideal": round(count / AT_ONCE / took, 2),
        "by_hand_s": round(by_hand, 1),
        "share_of_by_hand": round(by_hand / took, 2),
    }


def listing(folder: Path) -> float:
    """Return how many ms a listing of 100 takes with many finished jobs in the store: the median."""
    with platform(folder) as daemon:
        api = client(daemon, "sagemaker")
        complete(api, request("old-0", "empty", IMAGE))
        daemon.run("down")
        with sqlite3.connect(daemon.home / "mlberth.sqlite") as database:
            database.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO resource (kind, name, arn, created, modified, status, finished, request, state)"
                " SELECT kind, 'old-' || i, arn, created - i, modified - i, status, finished, request, state"
                " FROM resource, n WHERE name = 'old-0'",
                (OLD_JOBS - 1,),
            )
        database.close()
        daemon.up()
        times = []
        for _ in range(_LISTINGS):
            began = time.perf_counter()
            assert len(api.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]) == 100
            times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 1)


def complete(api: Any, wanted: Mapping[str, Any]) -> None:
    """Run a job, and wait until it is completed."""
    api.create_training_job(**wanted)
    wait_until(
        lambda: (
            api.describe_training_job(TrainingJobName=wanted["TrainingJobName"])["TrainingJobStatus"]
            == "Completed"
        )
    )


if __name__ == "__main__":
    main()
