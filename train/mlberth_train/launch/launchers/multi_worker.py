"""The launcher `multi_worker_mirrored`: TF_CONFIG for TensorFlow's MultiWorkerMirroredStrategy."""

from __future__ import annotations

from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, host_rank
from mlberth_train.launch.launchers.tf_config import mirrored_config


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of the host's one process."""
    config = mirrored_config(job.cluster.hosts, job.cluster.current)
    return [{"TF_CONFIG": config} | host_rank(job.cluster)]


LAUNCHER = Launcher("multi_worker_mirrored", environs, one_each=True, names=True)
