"""A training job under the names that sagemaker-training-toolkit's `Environment` has for its properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mlberth
from mlberth.compat.values import Values
from mlberth.contract.arguments import to_argparse
from mlberth.contract.hyperparameters import Hyperparameters, split, typed_mapping
from mlberth.contract.json_files import read_object
from mlberth.contract.layout import BASE_DIR, DEFAULT_BASE
from mlberth.contract.sm_variables import sm_variables, training_env

_FIXED = {
    "SAGEMAKER_BASE_PATH": DEFAULT_BASE,
    "BASE_PATH_ENV": BASE_DIR,
    "HYPERPARAMETERS_FILE": "hyperparameters.json",
    "RESOURCE_CONFIG_FILE": "resourceconfig.json",
    "INPUT_DATA_CONFIG_FILE": "inputdataconfig.json",
}
# The toolkits' names of folders and files, and ours.
_PATHS = {
    "base_dir": "base",
    "code_dir": "code",
    "model_dir": "model",
    "input_dir": "input",
    "_input_data_dir": "data",
    "input_config_dir": "config",
    "output_dir": "output",
    "output_data_dir": "output_data",
    "output_intermediate_dir": "output_intermediate",
    "hyperparameters_file_dir": "hyperparameters",
    "input_data_config_file_dir": "input_data_config",
    "resource_config_file_dir": "resource_config",
}


class JobEnvironment(Values):
    """A training job, read when this is made; what is given takes the place of what its files say.

    Raises `mlberth.errors.ContractError` for what is wrong with the job's files.
    """

    def __init__(
        self,
        resource_config: Mapping[str, Any] | None = None,
        input_data_config: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        job = mlberth.environment()
        if hyperparameters is not None:
            shares = split(typed_mapping(hyperparameters))
            parameters = job.parameters
            # What is given may be the user's share alone.
            merged = (shares.user, {**parameters.framework, **shares.framework})
            job = job._replace(
                parameters=Hyperparameters(*merged, {**parameters.platform, **shares.platform})
            )
        self._job = job
        given = {"resource_config": resource_config, "input_data_config": input_data_config}
        super().__init__(
            {**training_env(job), **{name: value for name, value in given.items() if value is not None}}
        )

    def to_env_vars(self) -> dict[str, str]:
        """Return the job as SM_* variables."""
        return sm_variables(self._job)

    def to_cmd_args(self) -> list[str]:
        """Return the hyperparameters as command-line arguments."""
        return to_argparse(self._job.hyperparameters)

    @property
    def sagemaker_s3_output(self) -> str | None:
        """Where the files of output/intermediate are copied."""
        found: str | None = self._job.parameters.platform.get("sagemaker_s3_output")
        return found


def read_hyperparameters() -> dict[str, Any]:
    """Return hyperparameters.json with every value typed."""
    return typed_mapping(read_object(mlberth.environment().layout.hyperparameters, default={}))


def read_resource_config() -> dict[str, Any]:
    """Return resourceconfig.json."""
    return mlberth.environment().hosts.raw


def read_input_data_config() -> dict[str, Any]:
    """Return inputdataconfig.json."""
    return mlberth.environment().input_data_config


def channel_path(channel: str) -> str:
    """Return the folder of a channel."""
    return str(mlberth.environment().layout.channel(channel))


def constant(name: str) -> str:
    """Return a folder, or a name, that the toolkits have as a constant of a module; raises AttributeError."""
    if name in _FIXED:
        return _FIXED[name]
    if name in _PATHS:
        return str(getattr(mlberth.environment().layout, _PATHS[name]))
    raise AttributeError(name)
