"""A program for XGBoost's collective on several hosts, and on one: the same model."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.support import is_alive, wait_until
from tests.train.hosts import HostGroup
from tests.train.running import Ended, ended

pytest.importorskip("xgboost")

PROGRAM = """
import glob, json, os, pathlib, numpy as np, xgboost
from mlberth.collective import xgboost_arguments
print("rank", os.environ["RANK"], "of", os.environ["WORLD_SIZE"])
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    rank, size = xgboost.collective.get_rank(), xgboost.collective.get_world_size()
    files = sorted(glob.glob(os.environ["SM_CHANNEL_TRAIN"] + "/*"))
    rows = np.concatenate([np.loadtxt(file, delimiter=",", ndmin=2) for file in files])
    data = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    class Mark(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, log):
            pathlib.Path(f"running-{rank}").write_text(str(os.getpid()))
    rounds = int(os.environ.get("ROUNDS", 5))
    parameters = {"max_depth": 3, "tree_method": "hist", "base_score": 0.5, "max_bin": 64}
    model = xgboost.train(parameters, data, rounds, callbacks=[Mark()])
if rank == 0:
    found = model.predict(xgboost.DMatrix(np.arange(40.0).reshape(10, 4) / 40)).tolist()
    seen = {"predicted": found, "size": size, "rank": rank == int(os.environ["RANK"])}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
"""


def group(folder: Path, *parts: list[int]) -> HostGroup:
    """Return hosts with these numbers of rows in the files that each has."""
    made = HostGroup(folder, len(parts), inputdataconfig={"train": {}}).code(train__py=PROGRAM)
    first = 0
    for tree, files in zip(made.trees, parts, strict=True):
        channel = tree.layout.channel("train")
        channel.mkdir(parents=True)
        for number, count in enumerate(files):
            (channel / f"{number}.csv").write_text("".join(map(row, range(first, first + count))))
            first += count
    return made


def row(number: int) -> str:
    """Return a line of data: a label and its four features."""
    features = [number * factor % 16 / 16 for factor in (1, 3, 5, 7)]
    return ",".join(map(str, [sum(features) / 4, *features])) + "\n"


def seen(made: HostGroup) -> list[dict[str, Any]]:
    """Return what the ranks that save have left."""
    files = [tree.layout.model / "seen.json" for tree in made.trees]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def run(made: HostGroup, **environ: str) -> list[Ended]:
    """Train with the launcher."""
    return list(made.train(SAGEMAKER_LAUNCHER="xgboost", OMP_NUM_THREADS="1", **environ))


def test_three_hosts_one_without_data_learn_what_one_does(tmp_path: Path) -> None:
    """The host without data takes no part, though it leads; ranks are counted over the others."""
    hosts = group(tmp_path, [], [40, 24], [64])
    ends = run(hosts)
    assert [end.code for end in ends] == [0, 0, 0], ends
    assert "no data" in ends[0].err
    assert ends[0].out == ""
    assert all(f"[rank {rank}] rank {rank} of 2\n" in ends[1 + rank].out for rank in (0, 1))
    alone = group(tmp_path / "alone", [128])
    assert [end.code for end in run(alone)] == [0]
    (together,), (single,) = seen(hosts), seen(alone)
    assert (together["size"], together["rank"], single["size"]) == (2, True, 1)
    assert together["predicted"] == pytest.approx(single["predicted"], abs=1e-5)


def test_no_data_at_all_is_an_error(tmp_path: Path) -> None:
    """Every host says so."""
    hosts = group(tmp_path, [], [])
    assert [end.code for end in run(hosts)] == [78, 78]
    assert all("found no file; expected data on one host at least" in tree.failure for tree in hosts.trees)


def test_port_of_the_tracker_that_is_taken_is_named(tmp_path: Path) -> None:
    """The reason is that of all hosts."""
    hosts = group(tmp_path, [8], [8])
    with socket.create_server((hosts.names[0], int(hosts.environ["MASTER_PORT"]))):
        assert [end.code for end in run(hosts)] == [98, 98]
    for tree in hosts.trees:
        assert f"MASTER_PORT: found {hosts.environ['MASTER_PORT']}" in tree.failure


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports XGBoost twice more")
def test_killed_rank_ends_all_hosts(tmp_path: Path) -> None:
    """The others wait for it in the collective."""
    hosts = group(tmp_path, [16], [16])
    with hosts.running(SAGEMAKER_LAUNCHER="xgboost", OMP_NUM_THREADS="1", ROUNDS="1000000") as commands:
        files = [tree.layout.code / f"running-{rank}" for rank, tree in enumerate(hosts.trees)]
        wait_until(lambda: all(file.exists() and file.read_text() for file in files), timeout=60)
        pids = [int(file.read_text()) for file in files]
        os.kill(pids[1], signal.SIGKILL)
        ends = [ended(command) for command in commands]
    assert [end.code for end in ends] == [137, 137], ends
    assert all("127.0.0.3 (rank 1 of 2)" in tree.failure for tree in hosts.trees)
    assert not any(map(is_alive, pids))
