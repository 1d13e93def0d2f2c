"""Reading the job: hyperparameters, channels, hosts."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import WriteConfig

import mlberth
from mlberth.contract.environment import Environment
from mlberth.contract.hyperparameters import split, typed
from mlberth.errors import ContractError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def job(write_config: WriteConfig, environ: dict[str, str] | None = None, **files: Any) -> Environment:
    """Read a job with the given configuration files."""
    return Environment.from_environ(
        {"SAGEMAKER_BASE_DIR": str(write_config(**files).base), **(environ or {})}
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("1e3", 1000.0),
        ("1e400", math.inf),
        ("Infinity", math.inf),
        ("1.10", 1.1),
        (" 5 ", 5),
        ("007", "007"),
        ("[1,2]", [1, 2]),
        ('"quoted"', "quoted"),
        ("plain", "plain"),
        ("", ""),
        (5, 5),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_typing(text: Any, value: Any) -> None:
    """A value is decoded where it is JSON and kept where it is not."""
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@given(JSON)
def test_typing_round_trip(value: Any) -> None:
    """Whatever is written as JSON text comes back as it was."""
    import json

    assert typed(json.dumps(value)) == value


def test_split() -> None:
    """The platform's names and the launchers' prefix never reach the user's program."""
    shares = split(
        {"epochs": 1, "sagemaker_program": "t.py", "sagemaker_x": 2, "_tuning_objective_metric": "acc"}
    )
    assert (shares.user, shares.framework) == ({"epochs": 1}, {"sagemaker_x": 2})
    assert shares.platform == {"sagemaker_program": "t.py", "_tuning_objective_metric": "acc"}


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


def test_folders_are_channels_where_no_file_says_otherwise(write_config: WriteConfig) -> None:
    """Somebody who mounts a tree by hand gets the channels that are there."""
    layout = write_config()
    (layout.data / "training").mkdir()
    (layout.data / ".hidden").mkdir()
    (layout.data / "loose.csv").touch()
    assert list(Environment.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base)}).channels) == ["training"]


@pytest.mark.parametrize("name", ["../../etc", "", "..", "a/b", "."])
def test_channel_that_leads_elsewhere(write_config: WriteConfig, name: str) -> None:
    """A channel's name is a folder's name."""
    with pytest.raises(ContractError, match="leads elsewhere"):
        job(write_config, inputdataconfig={name: {"TrainingInputMode": "File"}})


def test_every_faulty_channel_is_named(write_config: WriteConfig) -> None:
    """A channel without its folder, one that is no object and one with an unknown mode, at once."""
    config = {
        "gone": {},
        "odd": 5,
        "mode": {"TrainingInputMode": "Fax"},
        "pipe": {"TrainingInputMode": "Pipe"},
    }
    with pytest.raises(ContractError) as error:
        job(write_config, inputdataconfig=config)
    text = str(error.value)
    assert [name in text for name in ("'gone'", "'odd'", "'mode'", "'pipe'")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"current_host": "b", "hosts": ["a"]}, "current_host"),
        ({"current_host": "a", "hosts": []}, "hosts"),
        ({"current_host": "a", "hosts": ["a", "a"]}, "hosts"),
        ({"current_host": "a", "hosts": "a"}, "hosts"),
        ({"current_host": "a", "hosts": ["a"], "instance_groups": [1]}, "instance_groups"),
        ({"current_host": "a", "hosts": ["a"], "current_instance_type": 1}, "current_instance_type"),
    ],
)
def test_faulty_resourceconfig(write_config: WriteConfig, config: dict[str, Any], field: str) -> None:
    """The faulty field is named."""
    with pytest.raises(ContractError, match=f"resourceconfig.json, {field}: "):
        job(write_config, resourceconfig=config)


def test_environment_wins_over_hyperparameters(write_config: WriteConfig) -> None:
    """SAGEMAKER_PROGRAM and the log level may come from either; the variable wins."""
    hyperparameters = {"sagemaker_program": "hp.py", "sagemaker_container_log_level": "10"}
    from_file = job(write_config, hyperparameters=hyperparameters)
    assert (from_file.program, from_file.log_level) == ("hp.py", 10)
    environ = {"SAGEMAKER_PROGRAM": "env.py", "SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING"}
    from_environ = job(write_config, environ, hyperparameters=hyperparameters)
    assert (from_environ.program, from_environ.log_level) == ("env.py", 30)


def test_leader_is_the_first_host_of_the_distribution(write_config: WriteConfig) -> None:
    """The order of the file counts, not the alphabet."""
    found = job(write_config, resourceconfig={"current_host": "algo-1", "hosts": ["algo-10", "algo-1"]})
    assert (found.master, found.is_master, found.rank) == ("algo-10", False, 1)


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
