"""The processes of the launcher `dask`."""

from __future__ import annotations

from tests.train.launch.cases import launch_job

from mlberth_train.launch.launchers.dask import LAUNCHER


def test_leader_has_scheduler_worker_and_program() -> None:
    """The program is one process, however many the workers have."""
    job = launch_job(processes=2)
    scheduler, worker = LAUNCHER.helpers(job)
    assert scheduler.argv[2:7] == ["distributed.cli.dask_scheduler", "--host", "algo-1", "--port", "7777"]
    assert {"tcp://algo-1:7777", "--nworkers", "2", "--nthreads", "4"} <= set(worker.argv)
    assert LAUNCHER.has_ranks(job)
    (program,) = LAUNCHER.environs(job)
    assert program["DASK_SCHEDULER_ADDRESS"] == "tcp://algo-1:7777"


def test_other_hosts_have_a_worker_alone() -> None:
    """It finds the scheduler at the leader, and is found by its own host's name."""
    job = launch_job(current="algo-2")
    (worker,) = LAUNCHER.helpers(job)
    assert worker.with_code
    assert worker.argv[3:6] == ["tcp://algo-1:7777", "--host", "algo-2"]
    assert not LAUNCHER.has_ranks(job)
