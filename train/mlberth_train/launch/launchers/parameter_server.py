"""The launcher `parameter_server`: TensorFlow with TF_CONFIG, and a parameter server beside each worker."""

from __future__ import annotations

from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob, host_rank
from mlberth_train.launch.launchers.tf_config import parameter_server_config
from mlberth_train.ranks.plan import Helper


def environs(job: LaunchJob) -> list[dict[str, str]]:
    """Return the variables of the host's one process."""
    hosts, current = job.cluster.hosts, job.cluster.current
    config = {"TF_CONFIG": parameter_server_config(hosts, current)} if len(hosts) > 1 else {}
    return [config | host_rank(job.cluster)]


def helpers(job: LaunchJob) -> list[Helper]:
    """Return the host's parameter server; a single host has none."""
    hosts, current = job.cluster.hosts, job.cluster.current
    if len(hosts) == 1:
        return []
    config = parameter_server_config(hosts, current, serves=True)
    return [Helper("TensorFlow's server", [job.python, "-m", "mlberth_train.ranks.tf_server", config])]


LAUNCHER = Launcher(
    "parameter_server",
    environs,
    helpers=helpers,
    needs={"tensorflow": "TensorFlow (pip install tensorflow)"},
    one_each=True,
    names=True,
)
