"""Hosts: every field of resourceconfig.json, and who leads."""

from __future__ import annotations

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
