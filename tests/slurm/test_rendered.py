"""Scripts by `mlberth render slurm` on a real cluster, with an object store that all nodes reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.archives import packed
from tests.object_store import CREDENTIALS, REGION
from tests.slurm.cluster import HEAD_ADDRESS, Cluster
from tests.train.running import BIN

SERVE = f"""
import sys
from tests.object_store import serving_objects
with serving_objects("{HEAD_ADDRESS}") as store:
    print(store.url, flush=True)
    sys.stdin.read()
"""
# Counts rows and their sum over all nodes.
TRAIN = """
import json, os, pathlib, numpy as np, xgboost
from mlberth.collective import xgboost_arguments
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    files = sorted(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).iterdir())
    rows = np.concatenate([np.loadtxt(file) for file in files])
    total = xgboost.collective.allreduce(np.array([len(rows), rows.sum()]), xgboost.collective.Op.SUM)
    size = xgboost.collective.get_world_size()
seen = {"total": total.tolist(), "size": size, "files": len(files), "word": os.environ["MY_WORD"]}
seen["epochs"] = json.loads(os.environ["SM_HPS"])["epochs"]
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(seen))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "note.txt").write_text("done")
"""
REQUEST: dict[str, Any] = {
    "TrainingJobName": "two-nodes",
    "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
    "AlgorithmSpecification": {"TrainingImage": "mlberth-train:xgboost", "TrainingInputMode": "File"},
    "HyperParameters": {
        "epochs": "10",
        "sagemaker_program": "count.py",
        "sagemaker_submit_directory": "s3://bucket/code/sourcedir.tar.gz",
    },
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://bucket/train/",
                    "S3DataDistributionType": "ShardedByS3Key",
                }
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    "Environment": {"SAGEMAKER_LAUNCHER": "xgboost", "MY_WORD": "it's $HOME", "OMP_NUM_THREADS": "1"},
}


@contextmanager
def object_store(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Serve a bucket on the head; yield the variables by which a job finds it."""
    argv, pipe = cluster.command([sys.executable, "-c", SERVE]), subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            path = f"{BIN}:{os.environ['PATH']}"
            yield {**CREDENTIALS, "S3_ENDPOINT_URL": url, "AWS_REGION": REGION, "PATH": path}
        finally:
            server.kill()


def test_rendered_training_job_runs(cluster: Cluster) -> None:
    """Code, sharded data, hyperparameters and variables reach both nodes; model and output go back."""
    for name in ("xgboost", "moto"):
        pytest.importorskip(name)
    request, script = cluster.shared / "request.json", cluster.shared / "job.sbatch"
    request.write_text(json.dumps(REQUEST))
    rendered = subprocess.run(
        [BIN / "mlberth", "render", "slurm", request], check=True, capture_output=True, text=True, timeout=60
    )
    script.write_text(rendered.stdout)
    assert "VolumeSizeInGB = 10: " in rendered.stderr
    bucket = cluster.shared / "bucket"
    for name, text in {"train/a.csv": "1\n2\n", "train/b.csv": "3\n4\n5\n"}.items():
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_text(text)
    (bucket / "code").mkdir()
    (bucket / "code/sourcedir.tar.gz").write_bytes(packed("count.py", TRAIN))
    log = cluster.shared / "log"
    with object_store(cluster) as environ:
        assert cluster.run(BIN / "mlberth", "push", bucket, "s3://bucket/", environ=environ).returncode == 0
        places = {"FOLDER": str(cluster.shared / "job"), "SCRATCH": str(cluster.shared), "IMAGE": ""}
        places["SAGEMAKER_HOST_WAIT_SECONDS"] = "30"
        number = cluster.submit(script, f"--output={log}", environ=environ | places)
        ended = cluster.end_of(number)
        assert (ended["JobState"], ended["ExitCode"]) == ("COMPLETED", "0:0"), log.read_text()
        found = cluster.shared / "found"
        for name in ("model", "output"):
            address = f"s3://bucket/out/two-nodes/output/{name}.tar.gz"
            done = cluster.run(BIN / "mlberth", "fetch", "--unpack", address, found, environ=environ)
            assert done.returncode == 0, done.stdout
    assert json.loads((found / "model.json").read_text()) == {
        "total": [5.0, 15.0],
        "size": 2,
        "files": 1,
        "word": "it's $HOME",
        "epochs": 10,
    }
    assert (found / "note.txt").read_text() == "done"
    tree = cluster.shared / f"mlberth-{number}.0"
    assert tree.stat().st_mode & 0o777 == 0o700
    assert not list(Path(places["FOLDER"]).glob(".node-*"))
