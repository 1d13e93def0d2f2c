"""Hosts: every field of resourceconfig.json, and who leads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conftest import WriteConfig
from tests.toolkit.contract.reading import job

from mlberth.errors import ContractError


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


def test_leader_is_the_first_host_of_the_distribution(write_config: WriteConfig) -> None:
    """The order of the file counts, not the alphabet."""
    found = job(write_config, resourceconfig={"current_host": "algo-1", "hosts": ["algo-10", "algo-1"]})
    assert (found.master, found.is_master, found.rank) == ("algo-10", False, 1)


def test_a_program_has_the_hosts_of_its_train(write_config: WriteConfig) -> None:
    """Without the file they are in SM_RESOURCE_CONFIG; what a program sets for its processes is not."""
    own = {"RANK": "1", "WORLD_SIZE": "2"}
    handed_on = json.dumps({"current_host": "b", "hosts": ["a", "b"]})
    found = job(write_config, {**own, "SM_RESOURCE_CONFIG": handed_on})
    assert (found.hosts.names, found.rank) == (["a", "b"], 1)
    assert len(job(write_config, own).hosts.names) == 1
    for broken in ("{", "[]"):
        assert len(job(write_config, {**own, "SM_RESOURCE_CONFIG": broken}).hosts.names) == 1
