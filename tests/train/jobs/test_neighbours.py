"""Several `train` on one tree: who waits for whom, and for how long."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth.errors import PlatformError
from mlberth.process.signals import SignalQueue
from mlberth_train.jobs.neighbours import Neighbours

MPI = {
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
FIRST = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}


@pytest.fixture
def signals() -> Iterator[SignalQueue]:
    """Return the signals of this process."""
    with SignalQueue() as queue:
        yield queue


def neighbours(base: Path, **environ: str) -> Neighbours | None:
    """Return what a `train` on a tree finds."""
    return Neighbours.of({"SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_HOST_WAIT_SECONDS": "0.2", **environ})


def test_only_ranks_of_one_host_are_neighbours(tmp_path: Path) -> None:
    """Not a single `train`, not one on each host, and not one with faulty variables."""
    assert neighbours(tmp_path) is None
    assert neighbours(tmp_path, **MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}) is None
    assert neighbours(tmp_path, RANK="1", WORLD_SIZE="2", MASTER_ADDR="a") is None
    second, first = neighbours(tmp_path, **MPI), neighbours(tmp_path, **MPI | FIRST)
    assert second
    assert first
    assert (first.is_first, second.is_first) == (True, False)


def test_others_wait_for_the_first(tmp_path: Path, signals: SignalQueue) -> None:
    """They go on when the tree is ready, and not by the word of an earlier run."""
    first, second = neighbours(tmp_path, **MPI | FIRST), neighbours(tmp_path, **MPI)
    assert first
    assert second
    first.report(ready=True)
    first.report(ready=False)  # the first word counts
    assert second.wait(signals) is None
    again = neighbours(tmp_path, **MPI | FIRST)
    assert again
    again.begin()
    with pytest.raises(PlatformError, match=r"first `train` on this host: found not there after 0.2 s"):
        second.wait(signals)


def test_others_end_if_the_first_fails(tmp_path: Path, signals: SignalQueue) -> None:
    """They need not wait for long; the reason is in the first one's failure."""
    first, second = neighbours(tmp_path, **MPI | FIRST), neighbours(tmp_path, **MPI)
    assert first
    assert second
    first.report(ready=False)
    with pytest.raises(PlatformError, match="could not prepare the job"):
        second.wait(signals)


def test_a_stop_ends_the_wait(tmp_path: Path, signals: SignalQueue) -> None:
    """It comes before the tree is ready."""
    second = neighbours(tmp_path, **MPI | {"SAGEMAKER_HOST_WAIT_SECONDS": "60"})
    assert second
    signal.raise_signal(signal.SIGTERM)
    assert second.wait(signals) == signal.SIGTERM


def test_last_one_leaves_nothing(tmp_path: Path, signals: SignalQueue) -> None:
    """The word stays as long as somebody may come for it; who leaves twice makes no new one."""
    first, second = neighbours(tmp_path, **MPI | FIRST), neighbours(tmp_path, **MPI)
    assert first
    assert second
    first.report(ready=True)
    first.leave()
    assert second.wait(signals) is None
    second.leave()
    assert list((tmp_path / "output").iterdir()) == []
    second.leave()
    assert list((tmp_path / "output").iterdir()) == []
