"""Programs for several hosts, by their launchers."""

from __future__ import annotations

_ROWS = """
import random
draw = random.Random(0)
rows = [[draw.randrange(16) / 16 for _ in range(4)] for _ in range(24)]
def tell(values):
    print("predicted", *(round(float(value), 4) for value in values))
"""
_TORCHRUN = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
x = torch.tensor(rows)
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(10):
    optimizer.zero_grad()
    ((model(x[rank::size]) - x[rank::size].sum(1, keepdim=True)) ** 2).mean().backward()
    optimizer.step()
if rank == 0:
    tell(model.module(x[:8]).flatten())
dist.destroy_process_group()
"""
_XGBOOST = """
import numpy, os, xgboost
from mlberth.collective import xgboost_arguments
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
rows = numpy.array(rows)
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    part = rows[rank::size]
    model = xgboost.train({"base_score": 0.5, "nthread": 1}, xgboost.DMatrix(part, part.sum(1)), 3)
if rank == 0:
    tell(model.predict(xgboost.DMatrix(rows[:8])))
"""
_MPI = """
import numpy
from mpi4py import MPI
world, rows = MPI.COMM_WORLD, numpy.array(rows)
part = rows[world.rank :: world.size]
weights = numpy.zeros(4)
for step in range(50):
    weights -= 0.05 * world.allreduce(part.T @ (part @ weights - part.sum(1)))
if world.rank == 0:
    tell(rows[:8] @ weights)
"""
_DASK = """
import numpy, os
from dask.distributed import Client
rows = numpy.array(rows)
def moments(part):
    return part.T @ part, part.T @ part.sum(1)
if __name__ == "__main__":
    count = int(os.environ["SM_HOST_COUNT"])
    with Client() as client:
        client.wait_for_workers(count, timeout=100)
        names = sorted(worker["name"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        assert len(names) == count, names
        parts = [client.submit(moments, rows[n::count], workers=[name]) for n, name in enumerate(names)]
        left, right = zip(*client.gather(parts))
    tell(rows[:8] @ numpy.linalg.solve(sum(left), sum(right)))
"""
LEARNING = {
    "torchrun": _ROWS + _TORCHRUN,
    "xgboost": _ROWS + _XGBOOST,
    "mpi": _ROWS + _MPI,
    "dask": _ROWS + _DASK,
}
"""Programs that learn the same on several hosts as on one; they print what they predict, to four places."""
_RUNS = """
import os, pathlib, time
def runs():
    file = pathlib.Path(f"running-{os.getpid()}")
    if not file.exists():
        file.touch()
"""
_ALONE = _RUNS + "runs()\nwhile True: time.sleep(60)"
ENDLESS = {
    "plain": _ALONE,
    "parameter_server": _ALONE,
    "multi_worker_mirrored": _ALONE,
    "torchrun": _RUNS
    + """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
while True:
    model(torch.ones(2, 4)).sum().backward()
    runs()
    time.sleep(0.01)
""",
    "mpi": _RUNS
    + """
from mpi4py import MPI
while True:
    MPI.COMM_WORLD.barrier()
    runs()
    time.sleep(0.01)
""",
    "xgboost": _RUNS
    + """
import numpy, xgboost
from mlberth.collective import xgboost_arguments
class Mark(xgboost.callback.TrainingCallback):
    def after_iteration(self, model, epoch, log):
        runs()
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    rows = numpy.arange(64.0).reshape(16, 4)
    xgboost.train({}, xgboost.DMatrix(rows, rows[:, 0]), 10**9, callbacks=[Mark()])
""",
    "dask": _RUNS
    + """
from dask.distributed import Client
if __name__ == "__main__":
    with Client() as client:
        client.wait_for_workers(int(os.environ["SM_HOST_COUNT"]), timeout=240)
        task = client.submit(time.sleep, 1000)
        runs()
        task.result()
""",
}
"""Programs that never end. Each process leaves the file running-PID once it has met the others."""
NEEDS = {"torchrun": "torch", "xgboost": "xgboost", "mpi": "mpi4py", "dask": "distributed"}
"""The module that each launcher's program imports."""
TENSORFLOW = """
import os, pathlib, signal, types

class compat:
    class v1:
        ConfigProto = dict

class train:
    ClusterSpec = dict

class distribute:
    class Server:
        def __init__(self, cluster, job_name, task_index, config):
            text = f"{os.getpid()} {job_name} {task_index} {config['device_count']}"
            pathlib.Path(os.environ["SM_MODEL_DIR"], "server").write_text(text)

        def join(self):
            while True:
                signal.pause()
"""
"""A package with the calls of TensorFlow's that its servers take, since TensorFlow itself is large."""


def predicted(output: str) -> str:
    """Return what a program has printed of its model; raises ValueError unless it has once."""
    (found,) = [line.partition("predicted ")[2] for line in output.splitlines() if "predicted " in line]
    return found
