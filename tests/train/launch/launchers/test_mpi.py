"""The command of mpirun."""

from __future__ import annotations

import pytest
from tests.train.launch.cases import launch_job

from mlberth.errors import ContractError
from mlberth_train.launch.launchers.launcher import LaunchJob
from mlberth_train.launch.launchers.mpi import LAUNCHER


def with_options(**options: object) -> LaunchJob:
    """Return a job of two hosts with two processes each, and hyperparameters for MPI."""
    return launch_job(processes=2)._replace(options=options)


def test_leader_runs_mpirun_for_all_hosts() -> None:
    """Processes of each host are slots; the daemons of other hosts are started by a command of ours."""
    argv = LAUNCHER.argv(launch_job(processes=2, interface="lo"))
    assert argv[:5] == ["mpirun", "--host", "algo-1:2,algo-2:2", "-np", "4"]
    text = " ".join(argv)
    assert "-mca plm_rsh_agent python -m mlberth_train.ranks remote" in text
    assert "-mca btl_tcp_if_include lo -mca oob_tcp_if_include lo" in text
    assert "-mca orte_keep_fqdn_hostnames 1" in text
    assert argv[-1] == "rank"
    assert "if_include" not in " ".join(LAUNCHER.argv(launch_job(interface="none-such")))


def test_other_hosts_run_nothing_of_their_own() -> None:
    """They wait for the daemon that mpirun starts there."""
    assert len(LAUNCHER.environs(launch_job(current="algo-1"))) == 1
    assert LAUNCHER.environs(launch_job(current="algo-2")) == []


def test_options_of_the_job_are_mpiruns() -> None:
    """They are split as a shell does, and come after ours; the number of processes may be smaller."""
    job = with_options(
        sagemaker_mpi_custom_mpi_options="-x NAME='a b' --verbose", sagemaker_mpi_num_processes=3
    )
    argv = LAUNCHER.argv(job)
    assert argv[-4:] == ["-x", "NAME=a b", "--verbose", "rank"]
    assert argv[argv.index("-np") + 1] == "3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sagemaker_mpi_custom_mpi_options", "-x 'open"),
        ("sagemaker_mpi_custom_mpi_options", 7),
        ("sagemaker_mpi_num_processes", 5),
        ("sagemaker_mpi_num_processes", 0),
        ("sagemaker_mpi_num_processes", "many"),
    ],
)
def test_faulty_options_are_named(name: str, value: object) -> None:
    """Each by its hyperparameter."""
    with pytest.raises(ContractError, match=name):
        LAUNCHER.argv(with_options(**{name: value}))
