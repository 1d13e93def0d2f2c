"""`train` as engines start it: two real commands that have no resourceconfig.json, on one machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support import free_port
from tests.train.hosts import end_all
from tests.train.running import BIN, Ended, Tree, ended

# Each rank says who it is at the address that it was given, which the first one listens at.
PROGRAM = """
import json, os, pathlib, socket
import mlberth

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
where = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    met = [rank]
    with socket.create_server(where) as server:
        server.settimeout(30)
        while len(met) < size:
            peer, _ = server.accept()
            met.append(int(peer.makefile().readline()))
else:
    met = [rank]
    for _ in range(300):
        try:
            with socket.create_connection(where, timeout=30) as leader:
                leader.sendall(f"{rank}\\n".encode())
                break
        except ConnectionRefusedError:
            import time; time.sleep(0.1)
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SM_CURRENT_HOST", "SM_CURRENT_HOST_RANK",
         "SM_MASTER_ADDR", "SM_MASTER_PORT", "TORCHELASTIC_RUN_ID")
seen = {name: os.environ.get(name) for name in names}
seen |= {"hosts": json.loads(os.environ["SM_HOSTS"]), "met": sorted(met)}
seen["again"] = mlberth.environment().hosts.names
pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
"""
FIRST, SECOND = "127.0.0.2", "127.0.0.3"
SLURM = {
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "127.0.0.[2-3]",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    "SLURM_LOCALID": "0",
}
PET = {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "PET_MASTER_ADDR": FIRST}
TF = {"cluster": {"worker": [f"{FIRST}:1", f"{SECOND}:1"]}}
FAMILIES: dict[str, tuple[dict[str, str], list[dict[str, str]], list[str]]] = {
    "Slurm": (
        SLURM,
        [{"SLURM_NODEID": str(number), "SLURM_PROCID": str(number)} for number in (0, 1)],
        [FIRST, SECOND],
    ),
    "MASTER_ADDR": (
        {"MASTER_ADDR": FIRST, "WORLD_SIZE": "2"},
        [{"RANK": "0"}, {"RANK": "1"}],
        [FIRST, "host-1"],
    ),
    "Kubeflow (JAX)": (
        {"JAX_COORDINATOR_ADDRESS": f"{FIRST}:6666", "JAX_NUM_PROCESSES": "2"},
        [{"JAX_PROCESS_ID": "0"}, {"JAX_PROCESS_ID": "1"}],
        [FIRST, "host-1"],
    ),
    "Kubeflow (XGBoost)": (
        {"DMLC_TRACKER_URI": FIRST, "DMLC_TRACKER_PORT": "29500", "DMLC_NUM_WORKER": "2"},
        [{"DMLC_TASK_ID": "0"}, {"DMLC_TASK_ID": "1"}],
        [FIRST, "host-1"],
    ),
    "LeaderWorkerSet": (
        {"LWS_LEADER_ADDRESS": FIRST, "LWS_GROUP_SIZE": "2"},
        [{"LWS_WORKER_INDEX": "0"}, {"LWS_WORKER_INDEX": "1"}],
        [FIRST, "host-1"],
    ),
    "TF_CONFIG": (
        {},
        [{"TF_CONFIG": json.dumps({**TF, "task": {"type": "worker", "index": number}})} for number in (0, 1)],
        [FIRST, SECOND],
    ),
}


def run(
    folder: Path, common: Mapping[str, str], each: list[dict[str, str]], program: str = PROGRAM
) -> tuple[list[Ended], list[Tree]]:
    """Run `train` once for each host, all at the same time, to their ends."""
    trees = [Tree(folder / str(number)).code(train__py=program) for number in range(len(each))]
    ports = {"MASTER_PORT": str(free_port()), "SAGEMAKER_LAUNCHER_PORT": str(free_port())}
    fixed = {**ports, "SAGEMAKER_HOST_WAIT_SECONDS": "30", **common}
    commands: list[subprocess.Popen[str]] = []
    try:
        for tree, own in zip(trees, each, strict=True):
            commands.append(tree.start([BIN / "train"], **{**fixed, **own}))
        return [ended(command) for command in commands], trees
    finally:
        end_all(commands)


@pytest.mark.parametrize("engine", FAMILIES)
def test_ranks_of_an_engine_meet(tmp_path: Path, engine: str) -> None:
    """Names, ranks and the leader's address are right in the program, and one line says whose they are."""
    common, each, names = FAMILIES[engine]
    hosts, trees = run(tmp_path, common, each)
    assert [host.code for host in hosts] == [0, 0], hosts
    for number, (host, tree) in enumerate(zip(hosts, trees, strict=True)):
        lines = [line for line in host.err.splitlines() if "There is no resourceconfig.json" in line]
        assert len(lines) == 1
        assert f" those of {engine} (" in lines[0]
        seen = tree.seen()
        assert (seen["RANK"], seen["WORLD_SIZE"]) == (str(number), "2")
        assert (seen["LOCAL_RANK"], seen["LOCAL_WORLD_SIZE"]) == ("0", "1")
        assert seen["hosts"] == seen["again"] == names
        assert (seen["SM_CURRENT_HOST"], seen["SM_CURRENT_HOST_RANK"]) == (names[number], str(number))
        assert seen["SM_MASTER_ADDR"] == FIRST
    assert trees[0].seen()["met"] == [0, 1]


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        (
            PET | {"PET_NODE_RANK": "1", "PET_MASTER_PORT": "29511"},
            ["cluster:  Kubeflow (torch) (PET_NNODES, PET_NPROC_PER_NODE, ", "--rdzv-backend=static"],
        ),
        (SLURM | {"SLURM_NODEID": "1", "SLURM_PROCID": "1"}, ["cluster:  Slurm (SLURM_STEP_NODELIST, "]),
    ],
)
def test_explain_says_whose_variables_count(tree: Tree, environ: dict[str, str], lines: list[str]) -> None:
    """`train --explain` names the engine, its variables, and the launcher that they are meant for."""
    explained = tree.code(train__py="pass").train("--explain", **environ)
    assert explained.code == 0, explained
    assert all(line in explained.out for line in lines), explained.out
    assert "1 of 2" in explained.out


def test_file_wins(tree: Tree) -> None:
    """With resourceconfig.json no engine's variables count, not even those that contradict each other."""
    tree.config(resourceconfig={"current_host": "algo-1", "hosts": ["algo-1"]})
    tree.code(train__py="import os; print(os.environ['SM_HOSTS'], os.environ['WORLD_SIZE'])")
    done = tree.train(**SLURM, SLURM_NODEID="1", SLURM_PROCID="1", WORLD_SIZE="7", RANK="3")
    assert (done.code, done.out) == (0, '["algo-1"] 7\n'), done


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"WORLD_SIZE": "2", "RANK": "1"}, "MASTER_ADDR: found nothing, with WORLD_SIZE, RANK"),
        (SLURM | {"SLURM_NODEID": "2", "SLURM_PROCID": "1"}, "SLURM_NODEID: found '2'"),
        # A launcher where each `train` is a rank already.
        (
            {
                "SAGEMAKER_LAUNCHER": "plain",
                "OMPI_COMM_WORLD_SIZE": "2",
                "OMPI_COMM_WORLD_RANK": "0",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
                "OMPI_COMM_WORLD_LOCAL_RANK": "0",
            },
            "the launcher plain: found one `train` for each rank (this is 0 of 2, by Open MPI)",
        ),
        # Addresses that nothing says.
        (
            {"SAGEMAKER_LAUNCHER": "multi_worker_mirrored", "PET_NODE_RANK": "1"} | PET,
            "the launcher multi_worker_mirrored: found PET_NNODES",
        ),
        (
            {
                "SAGEMAKER_LAUNCHER": "plain",
                "OMPI_COMM_WORLD_SIZE": "2",
                "OMPI_COMM_WORLD_RANK": "1",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
                "OMPI_COMM_WORLD_LOCAL_RANK": "0",
            },
            "MASTER_ADDR: found nothing, with OMPI_COMM_WORLD_SIZE",
        ),
    ],
)
def test_what_cannot_be_run_is_one_message(tree: Tree, environ: dict[str, str], words: str) -> None:
    """The exit code is the contract's, and the failure names the variables."""
    failed = tree.code(train__py="pass").train(**environ)
    assert failed.code == 78, failed
    assert words in tree.failure
    assert "Traceback" not in failed.err


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ({}, "1 2 1"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, "1 2 1"),
        ({"WORLD_SIZE": "16"}, "None 16 None"),
    ],
)
def test_numbers_of_the_job_itself_stay(tree: Tree, own: dict[str, str], seen: str) -> None:
    """A job may count the GPUs of all hosts; what a shell has left of one process alone gives way."""
    names = "'RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE'"
    tree.code(train__py=f"import os; print(*(os.environ.get(name) for name in ({names})))")
    done = tree.train(**SLURM, SLURM_NODEID="1", SLURM_PROCID="1", **own)
    assert (done.code, done.out) == (0, f"{seen}\n"), done


def test_launcher_with_an_engines_hosts(tmp_path: Path) -> None:
    """A launcher that the job names starts its ranks on the hosts of the engine, in their order."""
    common = SLURM | {"SLURM_STEP_NODELIST": f"{SECOND},{FIRST}", "SAGEMAKER_LAUNCHER": "plain"}
    common |= {"SAGEMAKER_PROCESSES_PER_HOST": "1"}
    each = [{"SLURM_NODEID": str(number), "SLURM_PROCID": str(number)} for number in (0, 1)]
    hosts, trees = run(tmp_path, common, each)
    assert [host.code for host in hosts] == [0, 0], hosts
    assert [tree.seen()["SM_CURRENT_HOST"] for tree in trees] == [SECOND, FIRST]
    assert [tree.seen()["RANK"] for tree in trees] == ["0", "1"]
    assert trees[1].seen()["SM_MASTER_ADDR"] == SECOND


def test_host_that_never_comes_is_named(tree: Tree) -> None:
    """A wait for hosts is bounded, and its message names the variables that they come from."""
    environ = SLURM | {"SLURM_STEP_NODELIST": "127.0.0.2,nowhere.invalid", "SLURM_NODEID": "0"}
    tree.code(train__py="pass")
    failed = tree.train(**environ, SLURM_PROCID="0", SAGEMAKER_HOST_WAIT_SECONDS="0.5")
    assert failed.code == 70, failed
    assert "SLURM_NODEID" in tree.failure
    assert "nowhere.invalid without an address after 0.5 s" in tree.failure


def test_pet_runs_torchrun(tmp_path: Path) -> None:
    """PET_* starts torchrun once on each host, with its node ranks, though the hosts have no names."""
    pytest.importorskip("torch")
    if os.environ.get("MLBERTH_LONG") != "1":
        pytest.skip("imports PyTorch twice")
    hosts, trees = run(tmp_path, PET, [{"PET_NODE_RANK": "0"}, {"PET_NODE_RANK": "1"}], ALL_REDUCE)
    assert [host.code for host in hosts] == [0, 0], hosts
    for number, tree in enumerate(trees):
        seen = tree.seen()
        assert seen == {
            "sum": 1.0,
            "RANK": str(number),
            "GROUP_RANK": str(number),
            "hosts": [FIRST, "host-1"],
        }


ALL_REDUCE = """
import json, os, pathlib, torch, torch.distributed as dist
dist.init_process_group("gloo")
ranks = torch.ones(1) * dist.get_rank()
dist.all_reduce(ranks)
seen = {"sum": ranks.item(), "hosts": json.loads(os.environ["SM_HOSTS"])}
seen |= {name: os.environ[name] for name in ("RANK", "GROUP_RANK")}
pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
dist.destroy_process_group()
"""


def test_ranks_of_the_launcher_mpi_are_its_own(tree: Tree) -> None:
    """What the engine says of this `train` is no rank of the processes that mpirun starts below it."""
    if shutil.which("mpirun") is None:
        pytest.skip("needs Open MPI")
    names = "'RANK', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'"
    tree.code(train__py=f"import os; print(*(os.environ.get(name) for name in ({names})))")
    # One host of a PyTorchJob's, whose names are left in a shell.
    environ = {
        "SAGEMAKER_LAUNCHER": "mpi",
        "SAGEMAKER_PROCESSES_PER_HOST": "2",
        "RANK": "0",
        "WORLD_SIZE": "1",
    }
    done = tree.train(**environ)
    assert done.code == 0, done
    assert sorted(done.out.splitlines()) == ["[rank 0] None 0 2", "[rank 1] None 1 2"]


def mpirun(tree: Tree, count: int, **environ: str) -> Ended:
    """Run `train` below a real mpirun, so often on one tree."""
    mpirun = shutil.which("mpirun")
    if mpirun is None:
        pytest.skip("needs Open MPI")
    options = ("--allow-run-as-root", "--oversubscribe", "-np", str(count), "--tag-output")
    return ended(tree.start([mpirun, *options, BIN / "train"], **environ))


COUNTED = """
import os, pathlib, sys
import mlberth.metrics

rank = os.environ["RANK"]
mlberth.metrics.log(loss=1 / (int(rank) + 1), step=0)
pathlib.Path(os.environ["SM_MODEL_DIR"], f"rank-{rank}").write_text(os.environ["OMPI_COMM_WORLD_RANK"])
import needed
if rank == os.environ.get("BAD"):
    raise ValueError("the reason")
"""


def test_ranks_below_mpirun_share_a_tree(tree: Tree, tmp_path: Path) -> None:
    """The first fetches the code and removes old reports; each runs the program once, as its own rank."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(COUNTED)
    (source / "needed.py").write_text("")
    tree.layout.output.mkdir(parents=True)
    tree.layout.failure.write_text("of an earlier run")
    tree.config(
        hyperparameters={"sagemaker_submit_directory": str(source), "_tuning_objective_metric": "loss"}
    )
    done = mpirun(tree, 3)
    assert done.code == 0, done
    assert {path.name: path.read_text() for path in tree.layout.model.iterdir()} == {
        f"rank-{number}": str(number) for number in range(3)
    }
    assert tree.layout.success.exists()
    assert not tree.failure
    assert done.err.count("this `train` is rank ") + done.out.count("this `train` is rank ") == 3
    assert all(f"(rank {number} of 3); inputs" in done.out + done.err for number in range(3))
    records = [json.loads(line) for line in tree.layout.metrics("").read_text().splitlines()]
    assert sorted(record["rank"] for record in records) == [0, 1, 2]
    assert (tree.layout.output_data / "metrics.svg").exists()
    assert {path.name for path in tree.layout.output.iterdir()} == {"data", "success"}


def test_rank_below_mpirun_that_fails_is_the_reason(tree: Tree) -> None:
    """The failure file has its exception, whichever rank it is; there is no success beside it."""
    tree.code(train__py=COUNTED, needed__py="")
    failed = mpirun(tree, 2, BAD="1")
    assert failed.code != 0
    assert tree.failure.startswith("ValueError: the reason")
    assert "(rank 1 of 2)" in tree.failure
    assert not tree.layout.success.exists()


def test_ranks_do_not_wait_for_one_that_cannot_prepare(tree: Tree) -> None:
    """The first says so, and the reason is its own."""
    tree.config(hyperparameters={"sagemaker_submit_directory": "/nowhere/at/all"})
    failed = mpirun(tree, 2)
    assert failed.code != 0
    assert "/nowhere/at/all" in tree.failure
