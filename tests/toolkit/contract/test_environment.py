"""A job read whole: what it has by default, and what wins."""

from __future__ import annotations

import os

import pytest
from tests.conftest import WriteConfig
from tests.toolkit.contract.reading import job

import mlberth


def test_defaults_without_any_configuration_file(write_config: WriteConfig) -> None:
    """A bare tree is a job of one host with no hyperparameters."""
    bare = job(write_config)
    assert (bare.hyperparameters, bare.channels, bare.program) == ({}, {}, None)
    assert (bare.hosts.current, bare.hosts.names, bare.rank) == (
        os.uname().nodename,
        [os.uname().nodename],
        0,
    )
    assert bare.is_master


def test_environment_wins_over_hyperparameters(write_config: WriteConfig) -> None:
    """SAGEMAKER_PROGRAM and the log level may come from either; the variable wins."""
    hyperparameters = {"sagemaker_program": "hp.py", "sagemaker_container_log_level": "10"}
    from_file = job(write_config, hyperparameters=hyperparameters)
    assert (from_file.program, from_file.log_level) == ("hp.py", 10)
    environ = {"SAGEMAKER_PROGRAM": "env.py", "SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING"}
    from_environ = job(write_config, environ, hyperparameters=hyperparameters)
    assert (from_environ.program, from_environ.log_level) == ("env.py", 30)


def test_gpus_are_those_that_cuda_shows(write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that has some of a machine's GPUs starts as many processes, and no more."""
    monkeypatch.setattr("mlberth.contract.environment.gpu_count", lambda: 4)
    assert job(write_config).num_gpus == 4
    assert job(write_config, {"CUDA_VISIBLE_DEVICES": "2,3"}).num_gpus == 2


def test_checkpoint_folder(write_config: WriteConfig) -> None:
    """checkpointconfig.json may move the checkpoints."""
    assert job(write_config, checkpointconfig={"LocalPath": "/x"}).checkpoint_dir == "/x"
    layout = write_config(checkpointconfig={})
    assert job(write_config, checkpointconfig={}).checkpoint_dir == str(layout.checkpoints)


def test_public_function(write_config: WriteConfig) -> None:
    """A user's program asks one function for everything."""
    layout = write_config(hyperparameters={"epochs": "3"})
    found = mlberth.environment({"SAGEMAKER_BASE_DIR": str(layout.base)})
    assert (found.hyperparameters, found.model_dir) == ({"epochs": 3}, str(layout.model))
