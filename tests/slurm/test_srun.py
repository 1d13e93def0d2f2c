"""`srun train` on the nodes of a real cluster: ranks that meet, stops, and nodes that die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from tests.slurm.cluster import Cluster
from tests.support import wait_until
from tests.train.running import BIN, Ended, Tree

LONG = os.environ.get("MLBERTH_LONG") == "1"
PROMPT = 30.0
"""Within how many seconds the others know of a node that has died."""
# Says that it runs, and counts how often it is told to stop while it saves.
WAIT = """
import json, os, pathlib, signal, sys, time
rank = os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ["RANK"]
stops = []
def save(number, frame):
    stops.append(number)
    if len(stops) == 1:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            time.sleep(0.01)
        pathlib.Path(os.environ["SM_MODEL_DIR"], f"saved-{rank}.json").write_text(json.dumps(stops))
        sys.exit(0)
if os.environ.get("HANDLED", "1") == "1":
    signal.signal(signal.SIGTERM, save)
pathlib.Path(os.environ["SM_MODEL_DIR"], "running-" + rank).touch()
while True: time.sleep(60)
"""


# Those of batch scripts begin at 20000, by the number of the job.
PORTS = count(31000)


class Job:
    """The trees of one job's nodes below the shared folder, and `srun` on them."""

    def __init__(self, cluster: Cluster, name: str = "job", nodes: int = 2) -> None:
        self.cluster = cluster
        self.trees = {node: Tree(cluster.shared / name / node) for node in cluster.nodes[:nodes]}
        self._options = [f"--nodes={nodes}", f"--nodelist={','.join(self.trees)}", "--kill-on-bad-exit"]
        # Of its own: the last job's may be in TIME_WAIT, and XGBoost's tracker takes no such port.
        ports = {"SAGEMAKER_LAUNCHER_PORT": str(next(PORTS)), "MASTER_PORT": str(next(PORTS))}
        self._environ = {"SAGEMAKER_HOST_WAIT_SECONDS": "30", "TREES": str(cluster.shared / name), **ports}

    def code(self, program: str) -> Job:
        """Write the same program for each node."""
        for tree in self.trees.values():
            tree.code(train__py=program)
        return self

    @contextmanager
    def running(self, *options: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Start `train` on each node, each with the tree that has the node's name; kill srun at the end."""
        each = f'SAGEMAKER_BASE_DIR="$TREES/$SLURMD_NODENAME" exec {BIN / "train"}'
        argv = ["srun", *self._options, *options, "sh", "-c", each]
        with self.cluster.start(argv, self._environ | environ) as command:
            try:
                yield command
            finally:
                command.kill()

    def run(self, *options: str, **environ: str) -> Ended:
        """Run it to its end; both outputs of all nodes are one."""
        with self.running(*options, **environ) as command:
            out, _ = command.communicate(timeout=180)
        return Ended(command.returncode, out, out)

    def files(self, pattern: str) -> list[Path]:
        """Return files in the models of all nodes."""
        return [file for tree in self.trees.values() for file in sorted(tree.layout.model.glob(pattern))]

    def wait_for(self, pattern: str, count: int) -> None:
        """Wait for so many files in the models of all nodes."""
        wait_until(lambda: len(self.files(pattern)) == count, timeout=120, message=f"no {count} {pattern}")

    def ends(self) -> list[str]:
        """Return the report of each node: "success", or the failure's first line."""
        return [
            "success" if tree.layout.success.exists() else tree.failure.partition("\n")[0]
            for tree in self.trees.values()
        ]


def codes(out: str) -> list[str]:
    """Return what srun says of tasks that have ended badly."""
    return [line for line in out.splitlines() if line.startswith("srun: error: node")]


long = pytest.mark.skipif(not LONG, reason="Slurm takes its time")


NEEDS = {"mpi": "mpirun", "torchrun": "torch", "xgboost": "xgboost"}
LAUNCHERS = ["plain", "mpi", *(pytest.param(name, marks=long) for name in (None, "torchrun", "xgboost"))]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_cancelled_job_saves_on_every_node_and_ends_alike(cluster: Cluster, launcher: str | None) -> None:
    """`scancel` signals every process itself: each program gets one SIGTERM, and ends as it likes."""
    needed = NEEDS.get(launcher or "", "")
    if needed and not (shutil.which(needed) or find_spec(needed)):
        pytest.skip(f"needs {needed}")
    job = Job(cluster).code(WAIT)
    environ = {"SAGEMAKER_LAUNCHER": launcher} if launcher else {}
    with job.running(**environ) as command:
        job.wait_for("running-*", 2)
        began = time.monotonic()
        cluster.run("scancel", "--user=root")
        out, _ = command.communicate(timeout=180)
    took = time.monotonic() - began
    assert [json.loads(file.read_text()) for file in job.files("saved-*")] == [[signal.SIGTERM]] * 2, out
    assert job.ends() == ["success", "success"], out
    assert codes(out) == [], out
    assert took < 5, out


def test_cancelled_job_that_handles_nothing_fails_alike(cluster: Cluster) -> None:
    """The program may end before its `train` knows of the signal: on no node that is a crash."""
    job = Job(cluster).code(WAIT)
    with job.running(SAGEMAKER_LAUNCHER="plain", HANDLED="0") as command:
        job.wait_for("running-*", 2)
        cluster.run("scancel", "--user=root")
        out, _ = command.communicate(timeout=180)
    assert job.ends() == ["Stopped by SIGTERM"] * 2, out
    assert sorted(codes(out)) == [
        f"srun: error: node{n}: task {n - 1}: Exited with exit code 143" for n in (1, 2)
    ]


@long
def test_stop_of_one_train_reaches_all_nodes(cluster: Cluster) -> None:
    """A signal to one process is passed on as ever, to every rank once."""
    job = Job(cluster).code(WAIT)
    with job.running(SAGEMAKER_LAUNCHER="plain") as command:
        job.wait_for("running-*", 2)
        cluster.inside("node2", "pkill", "--signal=TERM", "--oldest", "--full", str(BIN / "train"))
        out, _ = command.communicate(timeout=180)
    assert [json.loads(file.read_text()) for file in job.files("saved-*")] == [[signal.SIGTERM]] * 2, out
    assert (command.returncode, job.ends()) == (0, ["success", "success"]), out


@long
def test_failed_task_ends_the_others(cluster: Cluster) -> None:
    """Without a launcher that is Slurm's part (`--kill-on-bad-exit`); the failed one has the reason."""
    program = WAIT.replace("while True:", "while rank == '0':")
    done = Job(cluster).code(f"{program}\nraise ValueError('the reason')").run()
    assert done.code == 1, done.out
    assert "ValueError: the reason" in done.out


def test_dead_node_ends_the_job_with_that_reason(cluster: Cluster) -> None:
    """The other node's failure file names it, minutes before Slurm gives the node up."""
    job = Job(cluster).code(WAIT)
    with job.running(SAGEMAKER_LAUNCHER="plain") as command:
        job.wait_for("running-*", 2)
        began = time.monotonic()
        cluster.kill_node("node2")
        wait_until(lambda: job.ends()[0], timeout=PROMPT, message="node1 has not reported")
        assert time.monotonic() - began < PROMPT
        cluster.give_up_node("node2")  # srun waits for that
        out, _ = command.communicate(timeout=PROMPT)
    assert job.ends()[0].startswith("PlatformError: host node2: found "), out
    assert "srun: error: node1: task 0: Exited with exit code 70\n" in out


# Logistic regression by gradient descent over all rows: the mean of the ranks' gradients is that of all.
TORCH = """
import json, os, pathlib, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
rows = torch.tensor(json.loads(pathlib.Path("../rows.json").read_text()))
mine = rows[dist.get_rank() :: dist.get_world_size()]
model = torch.nn.Linear(mine.shape[1] - 1, 1)
for parameter in model.parameters():
    torch.nn.init.zeros_(parameter)
trained = DistributedDataParallel(model)
optimizer = torch.optim.SGD(trained.parameters(), lr=0.5)
for _ in range(40):
    optimizer.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(trained(mine[:, 1:])[:, 0], mine[:, 0])
    loss.backward()
    optimizer.step()
weights = [*model.weight[0].tolist(), model.bias.item()]
told = {"weights": weights, "size": dist.get_world_size(), "host": os.environ["SM_CURRENT_HOST"]}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(told))
dist.destroy_process_group()
os._exit(0)  # with a thread of PyTorch's that still runs, the interpreter's end may abort
"""
XGBOOST = """
import json, os, pathlib, numpy as np, xgboost
from mlberth.collective import xgboost_arguments
rows = np.array(json.loads(pathlib.Path("../rows.json").read_text()))
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    rank, size = xgboost.collective.get_rank(), xgboost.collective.get_world_size()
    mine = rows[rank::size]
    model = xgboost.train(PARAMETERS, xgboost.DMatrix(mine[:, 1:], mine[:, 0]), 10)
told = {"predicted": model.predict(xgboost.DMatrix(rows[:, 1:])).tolist(), "size": size}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(told))
"""
PARAMETERS = {"objective": "binary:logistic", "max_depth": 3, "tree_method": "hist", "nthread": 1}
# As many bins as there are values, so that every node finds the same ones.
PARAMETERS |= {"base_score": 0.5, "max_bin": 1024}


def tumours() -> np.ndarray:
    """Return scikit-learn's breast cancer data as rows of a label and standardized features."""
    data = load_breast_cancer()
    features = (data.data - data.data.mean(0)) / data.data.std(0)
    rows: np.ndarray = np.column_stack([data.target, features])[:568].round(3)  # an even number of rows
    return rows


def models(cluster: Cluster, program: str, **environ: str) -> list[Any]:
    """Train a program on the data on two nodes; return what each has left."""
    job = Job(cluster).code(program)
    for tree in job.trees.values():
        (tree.base / "rows.json").write_text(json.dumps(tumours().tolist()))
    done = job.run(**environ)
    assert (done.code, job.ends()) == (0, ["success", "success"]), done.out
    return [json.loads(file.read_text()) for file in job.files("model.json")]


@long
def test_torchrun_trains_on_two_nodes_what_one_would(cluster: Cluster) -> None:
    """Real data; both nodes have the same weights, which are those of the same descent in numpy."""
    pytest.importorskip("torch")
    first, second = models(cluster, TORCH, SAGEMAKER_LAUNCHER="torchrun")
    assert (first["size"], first["host"], second["host"]) == (2, "node1", "node2")
    assert first["weights"] == second["weights"]
    rows = tumours()
    features, labels = np.column_stack([rows[:, 1:], np.ones(len(rows))]), rows[:, 0]
    weights = np.zeros(features.shape[1])
    for _ in range(40):
        missed = 1 / (1 + np.exp(-features @ weights)) - labels
        weights -= 0.5 * features.T @ missed / len(rows)
    assert first["weights"] == pytest.approx(weights.tolist(), abs=1e-4)
    assert (((features @ weights) > 0) == labels).mean() > 0.97


def test_xgboost_trains_on_two_nodes_what_one_would(cluster: Cluster) -> None:
    """Real data, by XGBoost's own collective."""
    xgboost = pytest.importorskip("xgboost")
    program = f"PARAMETERS = {PARAMETERS!r}\n{XGBOOST}"
    first, second = models(cluster, program, SAGEMAKER_LAUNCHER="xgboost", OMP_NUM_THREADS="1")
    assert (first["size"], first["predicted"]) == (2, second["predicted"])
    rows = tumours()
    data = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    alone = xgboost.train(PARAMETERS, data, 10).predict(data)
    assert first["predicted"] == pytest.approx(alone.tolist(), abs=1e-4)
    assert ((alone > 0.5) == rows[:, 0]).mean() > 0.98
