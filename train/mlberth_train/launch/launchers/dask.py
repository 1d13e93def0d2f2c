"""The launcher `dask`: a scheduler on the leader, a worker on each host; the leader runs the program."""

from __future__ import annotations

from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, threads
from mlberth_train.ranks.plan import OWN_RANK, OWN_RANKS, Helper

_QUIET = {"DASK_LOGGING__DISTRIBUTED": "warning"}
_PATIENCE_SECONDS = 60
"""How long a worker looks for a scheduler that has just been started elsewhere."""


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of the program; `dask.distributed.Client()` finds the scheduler by one of them."""
    return [{"DASK_SCHEDULER_ADDRESS": _address(job), OWN_RANK: "0", OWN_RANKS: "1"}]


def helpers(job: LaunchJob) -> list[Helper]:
    """Return the host's worker, which may have several processes; on the leader the scheduler before it."""
    cluster = job.cluster
    scheduler = [
        *(job.python, "-m", "distributed.cli.dask_scheduler", "--host", cluster.leader),
        *("--port", str(cluster.master_port), "--no-dashboard", "--no-show"),
    ]
    worker = [
        *(job.python, "-m", "distributed.cli.dask_worker", _address(job), "--host", cluster.current),
        *("--name", cluster.current, "--nworkers", str(cluster.processes), "--nthreads", threads(cluster)),
        *("--no-dashboard", "--local-directory", ".", "--death-timeout", str(_PATIENCE_SECONDS)),
    ]
    # Both import the program's modules, with its tasks.
    first = [Helper("Dask's scheduler", scheduler, _QUIET, with_code=True)] if cluster.rank == 0 else []
    return [*first, Helper("Dask's worker", worker, _QUIET, with_code=True)]


def has_ranks(job: LaunchJob) -> bool:
    """Return whether this is the leader."""
    return job.cluster.rank == 0


def _address(job: LaunchJob) -> str:
    return f"tcp://{job.cluster.leader}:{job.cluster.master_port}"


LAUNCHER = Launcher(
    "dask",
    environs,
    helpers=helpers,
    has_ranks=has_ranks,
    needs={"distributed": "Dask (pip install 'dask[distributed]')"},
)
