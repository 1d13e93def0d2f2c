"""The command of torchrun."""

from __future__ import annotations

from tests.train.launch.cases import launch_job

from mlberth_train.launch.launchers.torchrun import LAUNCHER


def test_two_hosts_meet_at_the_first() -> None:
    """The first host has the rendezvous, and each says by which name the others know it."""
    argv = LAUNCHER.argv(launch_job(current="algo-2", processes=8))
    assert argv == [
        *("python", "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=8", "--max-restarts=0"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=algo-1:7777", "--rdzv-id=job"),
        *("--rdzv-conf=is_host=0", "--local-addr=algo-2", "--no-python", "rank"),
    ]
    assert "--rdzv-conf=is_host=1" in LAUNCHER.argv(launch_job(current="algo-1"))


def test_fewer_hosts_may_be_enough() -> None:
    """Elastic jobs have a range of hosts, and restarts."""
    argv = LAUNCHER.argv(launch_job(min_hosts=1, restarts=3))
    assert {"--nnodes=1:2", "--max-restarts=3"} <= set(argv)


def test_threads_fit_the_cpus() -> None:
    """All ranks of a host together have its CPUs."""
    assert LAUNCHER.environs(launch_job(processes=2)) == [{"OMP_NUM_THREADS": "4"}]
    assert LAUNCHER.environs(launch_job(processes=16)) == [{"OMP_NUM_THREADS": "1"}]


def test_each_start_has_a_store_of_its_own() -> None:
    """Else gloo would connect to processes of the start before."""
    for fields in ({"restarts": 1}, {"min_hosts": 1}):
        (variables,) = LAUNCHER.environs(launch_job(**fields))
        assert variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
