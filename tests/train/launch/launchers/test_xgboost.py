"""The processes of the launcher `xgboost`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.launch.cases import launch_job

from mlberth.contract.channels import Channel
from mlberth_train.launch.launchers.xgboost import LAUNCHER


def test_leader_has_the_tracker() -> None:
    """Each host's ranks know where it is."""
    (tracker,) = LAUNCHER.helpers(launch_job())
    assert tracker.argv == ["python", "-m", "mlberth_train.ranks", "tracker", "algo-1", "7777"]
    worker = launch_job(current="algo-2", processes=2)
    assert LAUNCHER.helpers(worker) == []
    address = {"DMLC_TRACKER_URI": "algo-1", "DMLC_TRACKER_PORT": "7777", "OMP_NUM_THREADS": "4"}
    assert LAUNCHER.environs(worker) == [address | {"LOCAL_RANK": str(local)} for local in range(2)]
    assert LAUNCHER.counted["DMLC_TASK_ID"].format(rank=12, size=20) == "000012"


@pytest.mark.parametrize(
    ("files", "mode", "holds"),
    [
        (["train/part/a.csv"], "File", True),
        (["validation/a.csv"], "File", False),
        ([], "File", False),
        ([], "Pipe", True),
        (None, "File", True),
    ],
    ids=["data", "validation only", "nothing", "a FIFO", "no channel"],
)
def test_host_with_data_takes_part(tmp_path: Path, files: list[str] | None, mode: str, holds: bool) -> None:
    """The channel for training decides; a job without channels brings its data otherwise."""
    names = [] if files is None else ["train", "validation"]
    for file in files or []:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    channels = {name: Channel(name, tmp_path / name, mode) for name in names}
    assert LAUNCHER.has_ranks(launch_job()._replace(channels=channels)) == holds
