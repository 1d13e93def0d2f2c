"""A job that asks for a launcher is never run as a plain script."""

from __future__ import annotations

import pytest
from tests.train.running import Tree

from mlberth.contract.environment import DISTRIBUTION_SWITCHES


@pytest.mark.parametrize("name", DISTRIBUTION_SWITCHES)
@pytest.mark.parametrize("value", ["true", "True", "1", '"true"', "yes"])
def test_job_that_asks_for_a_launcher_is_refused(tree: Tree, name: str, value: str) -> None:
    """It ends with the contract's exit code, names the hyperparameter, and the program has not run."""
    ended = tree.code(train__py="print('ran')").config(hyperparameters={name: value}).train()
    assert ended.code == 78
    assert f"the hyperparameter {name}" in ended.err
    assert "ran" not in ended.out
    assert name in tree.failure


@pytest.mark.parametrize("value", ["false", "False", "0", "", "null", '"false"', "no"])
def test_launcher_that_is_switched_off_is_none(tree: Tree, value: str) -> None:
    """SDKs send the switch with every job, mostly off."""
    parameters = dict.fromkeys(DISTRIBUTION_SWITCHES, value)
    ended = tree.code(train__py="print('ran')").config(hyperparameters=parameters).train()
    assert (ended.code, ended.out) == (0, "ran\n")


def test_launcher_that_is_not_there_is_refused_by_its_variable(tree: Tree) -> None:
    """SAGEMAKER_LAUNCHER names what there is."""
    ended = tree.code(train__py="print('ran')").train(SAGEMAKER_LAUNCHER="torchrun")
    assert ended.code == 78
    assert "SAGEMAKER_LAUNCHER" in ended.err
    assert "ran" not in ended.out


def test_every_fault_of_a_launcher_is_told_at_once(tree: Tree) -> None:
    """Two switches are two faults, also for `train --explain`."""
    names = DISTRIBUTION_SWITCHES[:2]
    tree.code(train__py="print('ran')").config(hyperparameters=dict.fromkeys(names, "true"))
    ended = tree.train("--explain")
    assert ended.code == 78
    assert all(name in ended.err for name in names)
