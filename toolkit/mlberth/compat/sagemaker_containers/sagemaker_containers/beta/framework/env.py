"""The training job or the server, and what the machine has."""

from __future__ import annotations

from mlberth.compat.job import JobEnvironment as TrainingEnv
from mlberth.compat.job import (
    channel_path,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
)
from mlberth.compat.job import constant as __getattr__
from mlberth.compat.server import ServerEnvironment as ServingEnv
from mlberth.contract.resources import cpu_count as num_cpus
from mlberth.contract.resources import gpu_count as num_gpus

__all__ = [
    "ServingEnv",
    "TrainingEnv",
    "__getattr__",
    "channel_path",
    "num_cpus",
    "num_gpus",
    "read_hyperparameters",
    "read_input_data_config",
    "read_resource_config",
]
