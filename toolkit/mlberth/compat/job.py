"""A training job under the names that sagemaker-training-toolkit's `Environment` has for its properties."""

from __future__ import annotations

import mlberth
from mlberth.compat.values import Values
from mlberth.contract.arguments import to_argparse
from mlberth.contract.sm_variables import sm_variables, training_env


class JobEnvironment(Values):
    """A training job, read when this is made.

    Raises `mlberth.errors.ContractError` for what is wrong with the job's files.
    """

    def __init__(self) -> None:
        self._job = mlberth.environment()
        super().__init__(training_env(self._job))

    def to_env_vars(self) -> dict[str, str]:
        """Return the job as SM_* variables."""
        return sm_variables(self._job)

    def to_cmd_args(self) -> list[str]:
        """Return the hyperparameters as command-line arguments."""
        return to_argparse(self._job.hyperparameters)
