"""The launcher `plain`: processes that are told their rank and the leader, and connect by themselves."""

from __future__ import annotations

from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, threads


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of each process: those that torch.distributed's `env://` reads."""
    cluster = job.cluster
    common = {
        "WORLD_SIZE": str(cluster.size),
        "LOCAL_WORLD_SIZE": str(cluster.processes),
        "GROUP_RANK": str(cluster.rank),
        "MASTER_ADDR": cluster.leader,
        "MASTER_PORT": str(cluster.master_port),
    }
    if cluster.processes > 1:
        common["OMP_NUM_THREADS"] = threads(cluster)
    first = cluster.rank * cluster.processes
    return [
        common | {"RANK": str(first + local), "LOCAL_RANK": str(local)} for local in range(cluster.processes)
    ]


LAUNCHER = Launcher("plain", environs, equal=True)
