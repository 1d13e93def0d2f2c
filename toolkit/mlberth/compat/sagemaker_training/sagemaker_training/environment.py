"""The training job, and what the machine has."""

from __future__ import annotations

from mlberth.compat.job import JobEnvironment as Environment
from mlberth.compat.job import (
    channel_path,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
)
from mlberth.compat.job import constant as __getattr__
from mlberth.contract.resources import cpu_count as num_cpus
from mlberth.contract.resources import gpu_count as num_gpus
from mlberth.contract.resources import neuron_count as num_neurons

__all__ = [
    "Environment",
    "__getattr__",
    "channel_path",
    "num_cpus",
    "num_gpus",
    "num_neurons",
    "read_hyperparameters",
    "read_input_data_config",
    "read_resource_config",
]
