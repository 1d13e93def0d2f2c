"""A training job under the names that sagemaker-training-toolkit's `Environment` has for its properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import mlberth
from mlberth.arguments import to_argparse
from mlberth.exports import sm_variables, training_env


class JobEnvironment(Mapping[str, Any]):
    """A read-only mapping whose items are attributes too; it reads the job when it is made.

    Raises `mlberth.errors.ContractError` for what is wrong with the job's files.
    """

    def __init__(self) -> None:
        self._job = mlberth.environment()
        self._values = training_env(self._job)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        # `_values` is looked up here only before it is there: while an object is copied.
        if name != "_values" and name in self._values:
            return self._values[name]
        raise AttributeError(name)

    def properties(self) -> list[str]:
        """Return the names of all items."""
        return list(self)

    def to_env_vars(self) -> dict[str, str]:
        """Return the job as SM_* variables."""
        return sm_variables(self._job)

    def to_cmd_args(self) -> list[str]:
        """Return the hyperparameters as command-line arguments."""
        return to_argparse(self._job.hyperparameters)
