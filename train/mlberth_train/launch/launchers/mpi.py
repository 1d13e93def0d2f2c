"""The launcher `mpi`: Open MPI's mpirun on the leader, for mpi4py, Horovod and what else is written for MPI.

mpirun starts a daemon on each other host by a command that is ssh's by default. Here it is ours: it hands
the daemon's command to the agent of that host, over the connection that the agents have already, so that no
image needs an ssh server or a key.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from mlberth._typing import typing
from mlberth.errors import ContractError, Fault
from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, threads

_OPTIONS = "sagemaker_mpi_custom_mpi_options"
_PROCESSES = "sagemaker_mpi_num_processes"
_INTERFACES = Path("/sys/class/net")
# sagemaker-training-toolkit's, but for those of its machines, and of ssh.
_FIXED = (
    *("--allow-run-as-root", "-bind-to", "none", "-map-by", "slot"),
    # Inside a job of Slurm it would start its daemons by srun, in a step that waits for this one to end.
    *("-mca", "plm", "rsh", "-mca", "ras", "^slurm"),
    *("-mca", "plm_rsh_no_tree_spawn", "1"),
    # A pod is called POD.SERVICE: by the first part alone, neither the network nor its agent knows it.
    *("-mca", "orte_keep_fqdn_hostnames", "1"),
    *("-mca", "pml", "ob1", "-mca", "btl", "^openib"),
    *("-mca", "orte_abort_on_non_zero_status", "1"),
    *("-mca", "btl_vader_single_copy_mechanism", "none"),
)


def argv(job: LaunchJob) -> list[str]:
    """Return mpirun's command on the leader; the other hosts are given theirs by it."""
    cluster = job.cluster
    hosts = ",".join(f"{host}:{cluster.processes}" for host in cluster.hosts)
    command = ["mpirun", "--host", hosts, "-np", str(_processes(job)), *_FIXED]
    # The working folder is one that each host has; a rank goes to its own. mpirun may take the leader's name
    # for another host's too.
    command += ["-wdir", "/", "-mca", "plm_rsh_agent", f"{job.python} -m mlberth_train.ranks remote"]
    if len(cluster.hosts) > 1 and (_INTERFACES / cluster.interface).exists():
        command += ["-mca", "btl_tcp_if_include", cluster.interface]
        command += ["-mca", "oob_tcp_if_include", cluster.interface]
    return [*command, *_custom(job), *job.rank]


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of the leader's one mpirun; other hosts wait for what it starts there."""
    return [{"OMP_NUM_THREADS": threads(job.cluster)}] if job.cluster.rank == 0 else []


def _processes(job: LaunchJob) -> int:
    named: typing.Any = job.options.get(_PROCESSES)
    if named is None:
        return job.cluster.size
    if isinstance(named, int) and 0 < named <= job.cluster.size:
        return named
    expected = f"a whole number from 1 to {job.cluster.size}, the processes of all hosts"
    raise ContractError(Fault(f"the hyperparameter {_PROCESSES}", repr(named), expected))


def _custom(job: LaunchJob) -> list[str]:
    text: typing.Any = job.options.get(_OPTIONS) or ""
    try:
        return shlex.split(text)
    except (ValueError, AttributeError) as error:
        expected = "options of mpirun, as one writes them for a shell"
        raise ContractError(Fault(f"the hyperparameter {_OPTIONS}", repr(text), expected)) from error


LAUNCHER = Launcher(
    "mpi",
    environs,
    argv,
    commands={"mpirun": "Open MPI (apt-get install openmpi-bin, and pip install mpi4py)"},
    equal=True,
)
