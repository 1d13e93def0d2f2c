"""The choice of a launcher: a job that asks for one that there is not is never run as a plain script."""

from __future__ import annotations

import pytest
from tests.train.running import Tree

from mlberth.contract.environment import DISTRIBUTION_SWITCHES, Environment
from mlberth.errors import ContractError
from mlberth_train.launch.choice import choose_launcher

CHOSEN = {
    "sagemaker_mpi_enabled": "mpi",
    "sagemaker_torch_distributed_enabled": "torchrun",
    "sagemaker_pytorch_ddp_enabled": "torchrun",
    "sagemaker_parameter_server_enabled": "parameter_server",
    "sagemaker_multi_worker_mirrored_strategy_enabled": "multi_worker_mirrored",
}
VALUES = ("plain", "torchrun", "mpi", "parameter_server", "multi_worker_mirrored", "xgboost", "dask")
REFUSED = [name for name in DISTRIBUTION_SWITCHES if name not in CHOSEN]


def chosen(tree: Tree, **environ: str) -> str | None:
    """Return the launcher that a tree's job asks for."""
    environ["SAGEMAKER_BASE_DIR"] = str(tree.base)
    return choose_launcher(Environment.from_environ(environ), environ)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("value", ["true", "True", "1", '"true"', "yes"])
def test_job_that_asks_for_a_launcher_that_there_is_not_is_refused(tree: Tree, name: str, value: str) -> None:
    """The error names the hyperparameter, and what there is."""
    tree.config(hyperparameters={name: value})
    with pytest.raises(ContractError, match=f"the hyperparameter {name}.*torchrun"):
        chosen(tree)


def test_refused_job_has_not_run(tree: Tree) -> None:
    """It ends with the contract's exit code; the failure file says why."""
    ended = tree.code(train__py="print('ran')").config(hyperparameters={REFUSED[0]: "true"}).train()
    assert (ended.code, ended.out) == (78, "")
    assert REFUSED[0] in tree.failure


@pytest.mark.parametrize(("name", "launcher"), CHOSEN.items())
def test_hyperparameter_chooses_its_launcher(tree: Tree, name: str, launcher: str) -> None:
    """The switches of other containers have their meaning here."""
    assert chosen(tree.config(hyperparameters={name: "true"})) == launcher


@pytest.mark.parametrize("value", ["false", "False", "0", "", "null", '"false"', "no"])
def test_launcher_that_is_switched_off_is_none(tree: Tree, value: str) -> None:
    """SDKs send the switch with every job, mostly off."""
    assert chosen(tree.config(hyperparameters=dict.fromkeys(DISTRIBUTION_SWITCHES, value))) is None


def test_variable_wins(tree: Tree) -> None:
    """SAGEMAKER_LAUNCHER chooses whatever the hyperparameters say."""
    tree.config(hyperparameters=dict.fromkeys(DISTRIBUTION_SWITCHES, "true"))
    assert chosen(tree, SAGEMAKER_LAUNCHER="plain") == "plain"


def test_launcher_that_is_not_there_is_refused_by_its_variable(tree: Tree) -> None:
    """SAGEMAKER_LAUNCHER names what there is."""
    with pytest.raises(
        ContractError, match="SAGEMAKER_LAUNCHER: found 'ray'; expected one of plain, torchrun"
    ):
        chosen(tree, SAGEMAKER_LAUNCHER="ray")


def test_every_fault_of_a_launcher_is_told_at_once(tree: Tree) -> None:
    """Two switches are two faults, also for `train --explain`."""
    tree.code(train__py="print('ran')").config(hyperparameters=dict.fromkeys(REFUSED[:2], "true"))
    ended = tree.train("--explain")
    assert ended.code == 78
    assert all(name in ended.err for name in REFUSED[:2])


def test_two_launchers_are_one_too_many(tree: Tree) -> None:
    """Which of them is meant, the job has to say."""
    tree.config(hyperparameters=dict.fromkeys(CHOSEN, "true"))
    with pytest.raises(ContractError, match="all of them on; expected one of them"):
        chosen(tree)


def test_two_names_of_one_launcher_are_no_fault(tree: Tree) -> None:
    """SDKs have changed the name."""
    tree.config(hyperparameters=dict.fromkeys([n for n in CHOSEN if CHOSEN[n] == "torchrun"], "true"))
    assert chosen(tree) == "torchrun"


def test_library_of_another_image_is_named(tree: Tree) -> None:
    """The error says which switch does the same without it."""
    tree.config(hyperparameters={"sagemaker_distributed_dataparallel_enabled": "true"})
    with pytest.raises(ContractError, match=r"smdistributed.*sagemaker_pytorch_ddp_enabled"):
        chosen(tree)


@pytest.mark.parametrize("launcher", ["", *VALUES])
def test_job_that_cannot_be_encrypted_is_refused(tree: Tree, launcher: str) -> None:
    """Whatever sends: several hosts do, one host does not."""
    environ = {"SAGEMAKER_LAUNCHER": launcher, "SAGEMAKER_INTER_CONTAINER_ENCRYPTION": "true"}
    tree.config(resourceconfig={"current_host": "a", "hosts": ["a"]})
    assert chosen(tree, **environ) == (launcher or None)
    tree.config(resourceconfig={"current_host": "a", "hosts": ["a", "b"]})
    reasons = {
        "": "no launcher: ",
        "plain": "program itself",
        "torchrun": "gloo has TLS only if",
        "dask": "certificates",
    }
    how = reasons.get(launcher, f"the launcher {launcher}: .* (has|have) none")
    with pytest.raises(
        ContractError, match=f"SAGEMAKER_INTER_CONTAINER_ENCRYPTION: found true, for 2 hosts and .*{how}"
    ):
        chosen(tree, **environ)


def test_command_that_is_not_installed_is_named(tree: Tree) -> None:
    """Launchers may need more than packages of Python."""
    tree.code(train__py="print('ran')")
    ended = tree.train(SAGEMAKER_LAUNCHER="mpi", PATH="/nowhere")
    assert (ended.code, ended.out) == (69, "")
    assert "no command mpirun; expected Open MPI (apt-get install openmpi-bin" in tree.failure


def test_launcher_that_is_not_installed_is_named(tree: Tree) -> None:
    """The error says what to install, and that there are others."""
    tree.code(train__py="print('ran')")
    ended = tree.train(SAGEMAKER_LAUNCHER="parameter_server")
    assert (ended.code, ended.out) == (69, "")
    assert "no module tensorflow; expected TensorFlow (pip install tensorflow)" in tree.failure
