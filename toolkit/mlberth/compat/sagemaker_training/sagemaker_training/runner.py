"""Names of what starts a program; one process on each host is the only one that there is."""

from __future__ import annotations

from mlberth.compat.training.runner_types import MPIRunnerType, ProcessRunnerType, RunnerType

__all__ = ["MPIRunnerType", "ProcessRunnerType", "RunnerType"]
