"""A program for Dask: it runs once, and its work on all hosts."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until
from tests.train.hosts import HostGroup
from tests.train.running import ended

from mlberth_train.ranks.processes import processes_below

pytest.importorskip("distributed")

PROGRAM = """
import json, os, pathlib, work
from dask.distributed import Client
if __name__ == "__main__":
    with Client() as client:
        client.wait_for_workers(int(os.environ["SM_HOST_COUNT"]), timeout=60)
        names = sorted(worker["name"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        pathlib.Path("running").write_text("yes")
        if os.environ.get("WAIT"):
            client.submit(work.wait).result()
        print("sum", sum(client.gather(client.map(work.square, range(10)))))
        seen = {"names": names, "score": work.search(), "boosted": work.boosted(client)}
        pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
"""
WORK = """
import time

def square(number):
    return number * number

def wait():
    while True:
        time.sleep(1)

def search():
    import joblib
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    x, y = make_classification(200, random_state=0)
    with joblib.parallel_backend("dask"):
        return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(x, y).best_score_

def boosted(client):
    import dask.array as da
    import numpy as np
    import xgboost.dask as dxgb
    x = da.from_array(np.arange(400.0).reshape(100, 4) % 17, chunks=(50, 4))
    data = dxgb.DaskDMatrix(client, x, x[:, 0])
    model = dxgb.train(client, {"tree_method": "hist", "base_score": 0.5}, data, num_boost_round=3)["booster"]
    import xgboost
    return model.predict(xgboost.DMatrix(np.arange(40.0).reshape(10, 4) % 17)).tolist()
"""


def group(folder: Path, count: int) -> HostGroup:
    """Return hosts with the program."""
    return HostGroup(folder, count).code(train__py=PROGRAM, work__py=WORK)


@pytest.mark.skipif(
    os.environ.get("MLBERTH_LONG") != "1", reason="starts Dask, scikit-learn and XGBoost twice"
)
def test_two_hosts_work_for_one_program(tmp_path: Path) -> None:
    """Each host has a worker, with the program's modules; scikit-learn and XGBoost work as on one host."""
    hosts, alone = group(tmp_path, 2), group(tmp_path / "alone", 1)
    for made in (hosts, alone):
        ends = made.train(SAGEMAKER_LAUNCHER="dask")
        assert [end.code for end in ends] == [0] * len(made.trees), ends
        assert [end.out for end in ends] == ["sum 285\n", ""][: len(made.trees)]
    together, single = (
        json.loads((made.trees[0].layout.model / "seen.json").read_text()) for made in (hosts, alone)
    )
    assert together["names"] == hosts.names
    assert together["score"] == single["score"]
    assert together["boosted"] == pytest.approx(single["boosted"], abs=1e-5)


@pytest.mark.parametrize("lost", ["dask_scheduler", "train"])
def test_lost_helper_ends_all_hosts(tmp_path: Path, lost: str) -> None:
    """The scheduler is named, and so is a host that only has a worker."""
    if lost == "train" and os.environ.get("MLBERTH_LONG") != "1":
        pytest.skip("starts Dask once more")
    hosts = group(tmp_path, 2)
    with hosts.running(SAGEMAKER_LAUNCHER="dask", WAIT="1") as commands:
        wait_until((hosts.trees[0].layout.code / "running").exists, timeout=90)
        pids = [one.pid for command in commands for one in processes_below(command.pid)]
        if lost == "train":
            commands[1].kill()
        else:
            argv = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
            (scheduler,) = [pid for pid, words in argv.items() if b"dask_scheduler" in words]
            os.kill(scheduler, signal.SIGKILL)
        ends = [ended(command) for command in commands]
    assert ends[0].code == 70, ends
    where = "Dask's scheduler on 127.0.0.2: found killed by SIGKILL" if lost != "train" else "host 127.0.0.3"
    assert where in hosts.trees[0].failure
    if lost != "train":
        assert where in hosts.trees[1].failure
    wait_until(lambda: not any(map(is_alive, pids)))
