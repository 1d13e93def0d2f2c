"""The launcher `xgboost`: XGBoost's collective, with its tracker on the leader.

A host whose part of the training data is empty takes no part, as in the container of XGBoost: its ranks would
make the others wait, or fail. Ranks are counted over the hosts that have data, once all have joined.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mlberth.contract.channels import Channel
from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, threads
from mlberth_train.ranks.plan import Helper

_TRAINING = ("train", "training")


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of each process: those of `mlberth.collective`."""
    cluster = job.cluster
    address = {"DMLC_TRACKER_URI": cluster.leader, "DMLC_TRACKER_PORT": str(cluster.master_port)}
    common = {**address, "OMP_NUM_THREADS": threads(cluster)}
    return [common | {"LOCAL_RANK": str(local)} for local in range(cluster.processes)]


def helpers(job: LaunchJob) -> list[Helper]:
    """Return the tracker, on the leader; it may have no data itself."""
    cluster = job.cluster
    argv = [job.python, "-m", "mlberth_train.ranks", "tracker", cluster.leader, str(cluster.master_port)]
    return [Helper("XGBoost's tracker", argv, tells=True)] if cluster.rank == 0 else []


def has_ranks(job: LaunchJob) -> bool:
    """Return whether this host has data: in the channel for training, or if there is none in any."""
    named = [channel for name, channel in job.channels.items() if name in _TRAINING]
    channels = named or list(job.channels.values())
    return not channels or any(map(_holds_data, channels))


def _holds_data(channel: Channel) -> bool:
    return channel.mode == "Pipe" or any(files for *_, files in os.walk(channel.path))


COUNTED: Mapping[str, str] = {
    "RANK": "{rank}",
    "WORLD_SIZE": "{size}",
    "DMLC_TASK_ID": "{rank:06}",  # the tracker sorts them as text
    "DMLC_NUM_WORKER": "{size}",
}
LAUNCHER = Launcher(
    "xgboost",
    environs,
    helpers=helpers,
    has_ranks=has_ranks,
    counted=COUNTED,
    needs={"xgboost": "XGBoost (pip install xgboost-cpu, or the image mlberth-train:xgboost)"},
)
