"""The training job or the server, and what the machine has."""

from __future__ import annotations

from mlberth.compat.job import JobEnvironment as TrainingEnv
from mlberth.compat.server import ServerEnvironment as ServingEnv
from mlberth.contract.resources import cpu_count as num_cpus
from mlberth.contract.resources import gpu_count as num_gpus

__all__ = ["ServingEnv", "TrainingEnv", "num_cpus", "num_gpus"]
