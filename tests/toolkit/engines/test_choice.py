"""The cluster by the engines' variables: a table of environments, as each engine sets them."""

from __future__ import annotations

import json

import pytest

from mlberth.engines import Machine
from mlberth.engines.choice import describe, find_engine, host_names, program_variables
from mlberth.engines.found import Found
from mlberth.errors import ContractError

TORCH = {
    "PET_NNODES": "3",
    "PET_NPROC_PER_NODE": "2",
    "PET_NODE_RANK": "1",
    "PET_MASTER_ADDR": "job-node-0-0.job",
    "PET_MASTER_PORT": "29500",
}
JAX = {
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
    "JAX_COORDINATOR_ADDRESS": "job-node-0-0.job:6666",
    "JAX_COORDINATOR_PORT": "6666",
}
DMLC = {
    "DMLC_TRACKER_URI": "job-node-0-0.job",
    "DMLC_TRACKER_PORT": "29500",
    "DMLC_TASK_ID": "1",
    "DMLC_NUM_WORKER": "2",
}
LWS = {
    "LWS_LEADER_ADDRESS": "set-0.set.space",
    "LWS_GROUP_SIZE": "3",
    "LWS_WORKER_INDEX": "2",
}
OPERATOR = {"MASTER_ADDR": "job-master-0", "MASTER_PORT": "23456", "WORLD_SIZE": "3", "RANK": "1"}
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NUM_NODES": "4",
    "SLURM_JOB_NODELIST": "node[01-04]",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "node[02-04]",
    "SLURM_STEP_NUM_NODES": "3",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_TASKS_PER_NODE": "1(x3)",
    "SLURM_NODEID": "1",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}
MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "WORLD_SIZE": "4",
    "RANK": "2",
    "LOCAL_WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "1",
    "GROUP_WORLD_SIZE": "2",
    "MASTER_ADDR": "first",
    "MASTER_PORT": "29400",
}
CLUSTER = {
    "chief": ["tf-chief-0.ns.svc:2222"],
    "ps": ["tf-ps-0.ns.svc:2222"],
    "worker": ["tf-worker-0.ns.svc:2222"],
}
TASK = {"type": "worker", "index": 0}
TF = {"TF_CONFIG": json.dumps({"cluster": CLUSTER, "task": TASK, "environment": "cloud"})}


def look(environ: dict[str, str], name: str = "me", gpus: int = 0) -> tuple[Found, list[str]]:
    """Return what is found on a machine, and the names of the hosts."""
    machine = Machine(name, gpus)
    found = find_engine(environ, machine)
    assert found
    return found, host_names(found, machine)


@pytest.mark.parametrize(
    ("environ", "own", "engine", "host", "names"),
    [
        (TORCH, "me", "Kubeflow (torch)", 1, ["job-node-0-0.job", "host-1", "host-2"]),
        (
            TORCH | {"JOB_COMPLETION_INDEX": "1"},
            "job-node-0-1",
            "Kubeflow (torch)",
            1,
            ["job-node-0-0.job", "job-node-0-1.job", "job-node-0-2.job"],
        ),
        (JAX, "me", "Kubeflow (JAX)", 1, ["job-node-0-0.job", "host-1"]),
        (
            JAX | {"JOB_COMPLETION_INDEX": "1"},
            "job-node-0-1",
            "Kubeflow (JAX)",
            1,
            ["job-node-0-0.job", "job-node-0-1.job"],
        ),
        (
            {"COORDINATOR_ADDRESS": "job-worker-0", "NUM_PROCESSES": "2", "PROCESS_ID": "0"},
            "job-worker-0",
            "Kubeflow (JAX)",
            0,
            ["job-worker-0", "host-1"],
        ),
        (DMLC, "me", "Kubeflow (XGBoost)", 1, ["job-node-0-0.job", "host-1"]),
        (LWS, "me", "LeaderWorkerSet", 2, ["set-0.set.space", "set-0-1.set.space", "set-0-2.set.space"]),
        (
            LWS | {"LWS_LEADER_ADDRESS": "10.0.0.7"},
            "me",
            "LeaderWorkerSet",
            2,
            ["10.0.0.7", "host-1", "host-2"],
        ),
        (OPERATOR, "me", "MASTER_ADDR", 1, ["job-master-0", "host-1", "host-2"]),
        (
            OPERATOR | {"WORKER_ADDRS": "job-worker-0,job-worker-1", "WORKER_PORT": "9999"},
            "me",
            "MASTER_ADDR",
            1,
            ["job-master-0", "job-worker-0", "job-worker-1"],
        ),
        (TF, "me", "TF_CONFIG", 1, ["tf-chief-0.ns.svc", "tf-worker-0.ns.svc", "tf-ps-0.ns.svc"]),
        (SLURM, "me", "Slurm", 1, ["node02", "node03", "node04"]),
        (MPI, "me", "Open MPI", 1, ["host-0", "host-1"]),
        (MPI | {"MASTER_ADDR": "10.0.0.1"}, "me", "Open MPI", 1, ["10.0.0.1", "host-1"]),
        (TORCHRUN, "me", "torchrun", 1, ["first", "host-1"]),
        # An elastic PyTorchJob numbers its pods by their names alone.
        (
            {"PET_NNODES": "1:3", "PET_RDZV_ENDPOINT": "job-worker-0:23456", "PET_RDZV_BACKEND": "c10d"},
            "job-worker-2",
            "Kubeflow (torch)",
            2,
            ["job-worker-0", "job-worker-1", "job-worker-2"],
        ),
    ],
)
def test_each_engine_says_how_many_hosts_there_are_and_which_this_is(
    environ: dict[str, str], own: str, engine: str, host: int, names: list[str]
) -> None:
    """Names are the engine's, or follow from its numbers; what nobody names is numbered."""
    found, listed = look(environ, own)
    assert (found.engine, found.host, listed) == (engine, host, names)
    assert set(found.variables) <= set(environ)
    assert engine in describe(found, listed[host])


@pytest.mark.parametrize(
    ("environ", "process", "local"),
    [
        (TORCH, None, (0, 1)),
        (JAX, (1, 2), (0, 1)),
        (OPERATOR, (1, 3), (0, 1)),
        (SLURM, (1, 3), (0, 1)),
        (
            SLURM
            | {
                "SLURM_STEP_NUM_TASKS": "7",
                "SLURM_STEP_TASKS_PER_NODE": "2(x2),3",
                "SLURM_NODEID": "2",
                "SLURM_PROCID": "5",
                "SLURM_LOCALID": "1",
            },
            (5, 7),
            (1, 3),
        ),
        (MPI, (3, 4), (1, 2)),
        (TORCHRUN, (2, 4), (0, 2)),
    ],
)
def test_the_program_gets_the_rank_of_its_train(
    environ: dict[str, str], process: tuple[int, int] | None, local: tuple[int, int]
) -> None:
    """RANK and its like are those of the process, not of the host; a launcher of ours makes them itself."""
    found, _ = look(environ)
    assert (found.process, found.local) == (process, local)
    told = program_variables(found)
    expected = (process, local) if process else None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    assert told == (dict(zip(names, map(str, (*process, *local)), strict=True)) if process else {})
    assert found.is_rank == (expected is not None and local[1] > 1)


@pytest.mark.parametrize(
    ("environ", "launcher", "per_host", "least", "port"),
    [
        (TORCH, "torchrun", "2", None, 29500),
        (TORCH | {"PET_NNODES": "2:3"}, "torchrun", "2", 2, 29500),
        (
            {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "auto", "PET_NODE_RANK": "0"},
            "torchrun",
            "auto",
            None,
            None,
        ),
        (SLURM, None, "", None, None),
        (OPERATOR, None, "", None, 23456),
    ],
)
def test_pet_is_meant_for_torchrun(
    environ: dict[str, str], launcher: str | None, per_host: str, least: int | None, port: int | None
) -> None:
    """Its numbers are torchrun's arguments; the others run one process for each `train`."""
    found, _ = look(environ)
    assert (found.launcher, found.per_host, found.least, found.port) == (launcher, per_host, least, port)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PATH": "/bin", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
        {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"},
        {"RANK": "0"},
        {"PET_NNODES": "1"},
        # A shell of salloc, and a script of sbatch: the whole job's variables, on its first node.
        {"SLURM_JOB_ID": "7", "SLURM_NNODES": "4", "SLURM_JOB_NODELIST": "node[1-4]", "SLURM_NTASKS": "4"},
        {
            "SLURM_JOB_ID": "7",
            "SLURM_NNODES": "4",
            "SLURM_PROCID": "0",
            "SLURM_NODEID": "0",
            "SLURM_LOCALID": "0",
        },
        # `srun --pty bash`.
        SLURM
        | {
            "SLURM_STEP_NODELIST": "node02",
            "SLURM_STEP_NUM_TASKS": "1",
            "SLURM_STEP_TASKS_PER_NODE": "1",
            "SLURM_NODEID": "0",
            "SLURM_PROCID": "0",
        },
        {
            "OMPI_COMM_WORLD_SIZE": "1",
            "OMPI_COMM_WORLD_RANK": "0",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
            "OMPI_COMM_WORLD_LOCAL_RANK": "0",
        },
        {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
        {
            "JAX_PLATFORMS": "cpu",
            "SLURM_CONF": "/etc/slurm.conf",
            "OMPI_MCA_btl": "tcp",
            "NUM_PROCESSES": "8",
        },
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": json.dumps({"cluster": CLUSTER, "task": {"type": "evaluator", "index": 0}})},
        {"WORLD_SIZE": "", "RANK": " "},
    ],
)
def test_one_process_alone_is_one_host(environ: dict[str, str]) -> None:
    """Variables that a shell has left, and those of a single process, make no cluster."""
    assert find_engine(environ, Machine("me")) is None


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        (TORCH | {"PET_NODE_RANK": ""}, "PET_NODE_RANK: found nothing, with PET_NNODES"),
        (TORCH | {"PET_NODE_RANK": "3"}, "PET_NODE_RANK: found '3'; expected a whole number from 0 to 2"),
        (TORCH | {"PET_NNODES": "3:2"}, "PET_NNODES: found '3:2'"),
        (TORCH | {"PET_NPROC_PER_NODE": "many"}, "PET_NPROC_PER_NODE: found 'many'"),
        ({"PET_NNODES": "2", "PET_NODE_RANK": "0"}, "PET_MASTER_ADDR: found nothing"),
        ({"PET_NODE_RANK": "1"}, "PET_NNODES: found nothing"),
        (JAX | {"JAX_COORDINATOR_ADDRESS": ""}, "JAX_COORDINATOR_ADDRESS: found nothing"),
        (DMLC | {"DMLC_TASK_ID": "2"}, "DMLC_TASK_ID: found '2'"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR: found nothing, with WORLD_SIZE, RANK"),
        ({"WORLD_SIZE": "2"}, "RANK: found nothing, with WORLD_SIZE"),
        ({"RANK": "1"}, "WORLD_SIZE: found nothing, with RANK"),
        (OPERATOR | {"RANK": "3"}, "RANK: found '3'"),
        (OPERATOR | {"RANK": "one"}, "RANK: found 'one'"),
        (SLURM | {"SLURM_STEP_NODELIST": "node[02-"}, r"SLURM_STEP_NODELIST: found 'node\[02-'"),
        (
            SLURM | {"SLURM_STEP_NODELIST": "a,a,b"},
            "SLURM_STEP_NODELIST: found 'a,a,b'; expected each host once",
        ),
        (
            SLURM | {"SLURM_STEP_TASKS_PER_NODE": "1(x2)"},
            "SLURM_STEP_TASKS_PER_NODE: found numbers of 2 nodes",
        ),
        (SLURM | {"SLURM_STEP_TASKS_PER_NODE": "2(x3)"}, "SLURM_STEP_TASKS_PER_NODE: found 6 tasks"),
        (SLURM | {"SLURM_NODEID": "3"}, "SLURM_NODEID: found '3'"),
        (
            MPI | {"OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            "OMPI_COMM_WORLD_LOCAL_RANK: found rank 3 of 4, and 0 of 2",
        ),
        (MPI | {"OMPI_COMM_WORLD_SIZE": ""}, "OMPI_COMM_WORLD_SIZE: found nothing"),
        (TORCHRUN | {"GROUP_RANK": "2"}, "GROUP_RANK: found '2'"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG: found '{'"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": [1]}, "task": TASK})}, "TF_CONFIG: found"),
        (
            {"TF_CONFIG": json.dumps({"cluster": CLUSTER, "task": {"type": "ps", "index": 4}})},
            "the task ps 4",
        ),
        # Two engines that do not agree.
        (
            SLURM | OPERATOR | {"RANK": "2"},
            "WORLD_SIZE, RANK.*found host 2 of 3 .*host 1 of 3, as SLURM_STEP_NODELIST",
        ),
        (SLURM | OPERATOR | {"WORLD_SIZE": "2"}, "found host 1 of 2 "),
        (JAX | TORCH, "JAX_NUM_PROCESSES.*found host 1 of 2"),
        (MPI | OPERATOR, "found host 1 of 3"),
    ],
)
def test_what_is_missing_or_contradicts_is_named(environ: dict[str, str], where: str) -> None:
    """The message names the variables, what stands there, and what was expected."""
    with pytest.raises(ContractError, match=where):
        find_engine(environ, Machine("me"))


@pytest.mark.parametrize(
    ("environ", "engine"),
    [
        # The older operator sets PET_* beside its own names, and counts all processes in WORLD_SIZE.
        (TORCH | OPERATOR | {"WORLD_SIZE": "6"}, "Kubeflow (torch)"),
        (SLURM | OPERATOR, "Slurm"),
        (SLURM | {"MASTER_ADDR": "node02", "WORLD_SIZE": "3"}, "Slurm"),
        # mpirun starts its daemons with srun, on all nodes but the first.
        (SLURM | MPI, "Open MPI"),
        (MPI | {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "a"}, "Open MPI"),
        (MPI | {"RANK": "0", "WORLD_SIZE": "1"}, "Open MPI"),
        (TORCHRUN | TORCH | SLURM, "torchrun"),
        (LWS | {"RANK": "0", "WORLD_SIZE": "1"}, "LeaderWorkerSet"),
    ],
)
def test_the_nearest_engine_wins(environ: dict[str, str], engine: str) -> None:
    """What has started this `train` counts; variables of others that agree, or say nothing, do no harm."""
    assert look(environ)[0].engine == engine


def test_pods_of_several_gpus_count_their_workers() -> None:
    """DMLC_NUM_WORKER counts a worker for each GPU, and DMLC_TASK_ID the pods."""
    found, names = look(DMLC | {"DMLC_NUM_WORKER": "8"}, gpus=4)
    assert (found.hosts, found.host, names) == (2, 1, ["job-node-0-0.job", "host-1"])


def test_tasks_on_one_machine_have_no_names() -> None:
    """Two workers of TF_CONFIG at one address are told apart by their numbers."""
    config = {"cluster": {"worker": ["localhost:1", "localhost:2"]}, "task": {"type": "worker", "index": 1}}
    assert look({"TF_CONFIG": json.dumps(config)})[1] == ["localhost", "host-1"]


def test_ranks_of_one_machine_are_on_one_host() -> None:
    """Several tasks of mpirun or srun on one machine: one host, by its own name."""
    environ = MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "3"}
    found, names = look(environ, "laptop")
    assert (found.hosts, found.local, names) == (1, (3, 4), ["laptop"])
    assert "rank 3 of 4" in describe(found, "laptop")
