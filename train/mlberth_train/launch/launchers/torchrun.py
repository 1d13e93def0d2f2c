"""The launcher `torchrun`: PyTorch's own, with its rendezvous at the leader."""

from __future__ import annotations

from mlberth_train.launch.launchers.cluster import Cluster
from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, threads


def argv(job: LaunchJob) -> list[str]:
    """Return the command of torchrun on this host.

    `is_host` and `local_addr` are said, since torchrun would find both out from names of this machine, which
    in a container are often not those that the other hosts know.
    """
    cluster = job.cluster
    nodes = len(cluster.hosts)
    return [
        job.python,
        "-m",
        "torch.distributed.run",
        f"--nnodes={nodes}" if cluster.min_hosts == nodes else f"--nnodes={cluster.min_hosts}:{nodes}",
        f"--nproc-per-node={cluster.processes}",
        f"--max-restarts={cluster.restarts}",
        *(_numbered(cluster) if cluster.in_order and cluster.min_hosts == nodes else _met(job)),
        "--no-python",
        *job.rank,
    ]


def _met(job: LaunchJob) -> list[str]:
    """Return how hosts find each other that may come and go; they are ordered by their names."""
    cluster = job.cluster
    return [
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={cluster.leader}:{cluster.master_port}",
        f"--rdzv-id={job.name}",
        f"--rdzv-conf=is_host={int(cluster.rank == 0)}",
        f"--local-addr={cluster.current}",
    ]


def _numbered(cluster: Cluster) -> list[str]:
    """Return how hosts find each other that an engine has numbered; only the first needs an address."""
    return [
        "--rdzv-backend=static",
        f"--master-addr={cluster.leader}",
        f"--master-port={cluster.master_port}",
        f"--node-rank={cluster.rank}",
    ]


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of the one torchrun; it sets those of the ranks."""
    cluster = job.cluster
    variables = {"OMP_NUM_THREADS": threads(cluster)}
    if cluster.restarts or cluster.min_hosts < len(cluster.hosts):
        # Each start gets a store of its own. By default all share torchrun's, where gloo finds addresses of
        # processes that are no more, and waits for them.
        variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    return [variables]


LAUNCHER = Launcher(
    "torchrun",
    environs,
    argv,
    needs={"torch": "PyTorch (pip install torch, or the image mlberth-train:torch)"},
    elastic=True,
)
