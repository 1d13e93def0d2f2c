"""The training job or the server, where the examples of some containers import them from."""

from __future__ import annotations

from sagemaker_containers.beta.framework.env import ServingEnv, TrainingEnv, num_cpus, num_gpus

__all__ = ["ServingEnv", "TrainingEnv", "num_cpus", "num_gpus"]
