"""The launcher `torchrun`: PyTorch's own, with its c10d rendezvous at the leader."""

from __future__ import annotations

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
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={cluster.leader}:{cluster.master_port}",
        f"--rdzv-id={job.name}",
        f"--rdzv-conf=is_host={int(cluster.rank == 0)}",
        f"--local-addr={cluster.current}",
        "--no-python",
        *job.rank,
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
