"""Folders of hosts that are copied to objects while their programs run."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform

from mlberth_local.inputs.objects import FolderObjects
from mlberth_local.jobs.side_work import FolderSync

ADDRESS = "s3://bucket/saved"


class CountedObjects(FolderObjects):
    """Objects that remember what was put."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.put_names: list[str] = []

    def put(self, address: str, source: Path) -> None:
        """Make a file an object."""
        super().put(address, source)
        self.put_names.append(f"{source.parent.name}/{source.name}")


class Hosts:
    """The folders of two hosts, each restored from the same objects."""

    def __init__(self, home: Path, restored: dict[str, str]) -> None:
        self.home = home
        self.objects = CountedObjects(home / "s3")
        self.folders = [home / "algo-1", home / "algo-2"]
        self.bucket = home / "s3/bucket/saved"
        for folder in (self.bucket, *self.folders):
            folder.mkdir(parents=True)
            for name, content in restored.items():
                (folder / name).write_text(content)
        self.begin()
        for sync in self.syncs:
            sync.note_restored()

    def begin(self) -> None:
        """Go on as a new daemon does."""
        self.syncs = [
            FolderSync(
                folder,
                ADDRESS,
                self.objects,
                folder.with_suffix(".json"),
                others=[other for other in self.folders if other != folder],
            )
            for folder in self.folders
        ]

    def sync(self) -> list[str]:
        """Copy what has changed; returns the names."""
        self.objects.put_names.clear()
        for sync in self.syncs:
            sync.sync(settled=True)
        return self.objects.put_names

    def stored(self) -> dict[str, str]:
        """Return the objects."""
        return {path.name: path.read_text() for path in self.bucket.iterdir()}


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    """Return two hosts with two restored files."""
    return Hosts(tmp_path, {"latest": "1", "old": "0"})


def test_what_was_restored_is_not_copied(hosts: Hosts) -> None:
    """An untouched copy on one host does not replace what another host has written."""
    assert hosts.sync() == []
    (hosts.folders[0] / "latest").write_text("22")
    assert hosts.sync() == ["algo-1/latest"]
    assert hosts.stored() == {"latest": "22", "old": "0"}


def test_a_later_daemon_copies_nothing_again(hosts: Hosts) -> None:
    """It knows what was copied, and what changed meanwhile."""
    (hosts.folders[0] / "latest").write_text("22")
    hosts.sync()
    hosts.begin()
    assert hosts.sync() == []
    hosts.begin()
    (hosts.folders[1] / "new").write_text("3")
    assert hosts.sync() == ["algo-2/new"]
    assert hosts.stored() == {"latest": "22", "old": "0", "new": "3"}


@pytest.mark.parametrize("later", [False, True], ids=["same daemon", "later daemon"])
def test_what_is_removed(hosts: Hosts, later: bool) -> None:
    """An object goes when no host has it any more, also one that was restored and never copied."""
    (hosts.bucket / "by-hand").write_text("not the job's")
    (hosts.folders[0] / "old").unlink()
    hosts.sync()
    assert "old" in hosts.stored()
    (hosts.folders[1] / "old").unlink()
    if later:
        hosts.begin()
    assert hosts.sync() == []
    assert hosts.stored() == {"latest": "1", "by-hand": "not the job's"}


def test_a_kill_while_something_is_put(hosts: Hosts, tmp_path: Path) -> None:
    """What may have been put is known: it is put again, or removed with its file."""

    class Killed(FolderObjects):
        def put(self, address: str, source: Path) -> None:
            super().put(address, source)
            raise KeyboardInterrupt

    for name in ("kept", "gone"):
        (hosts.folders[0] / name).write_text("1")
        sync = FolderSync(
            hosts.folders[0], ADDRESS, Killed(tmp_path / "s3"), hosts.folders[0].with_suffix(".json")
        )
        with pytest.raises(KeyboardInterrupt):
            sync.sync(settled=True)
    (hosts.folders[0] / "gone").unlink()
    hosts.begin()
    assert hosts.sync() == ["algo-1/kept"]
    assert hosts.stored() == {"latest": "1", "old": "0", "kept": "1"}


def test_checkpoints_of_several_hosts(jobs: JobPlatform) -> None:
    """The host that changes one decides; an untouched copy of another host does not replace it."""
    jobs.put("saved/latest", "1")
    jobs.put("saved/rotated", "0")
    jobs.train(
        "import json, pathlib\n"
        "folder = pathlib.Path('/opt/ml/model/checkpoints')\n"
        "host = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']\n"
        "(folder / 'rotated').unlink()\n"
        "if host == 'algo-1': (folder / 'latest').write_text('new')\n",
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/saved", "LocalPath": "/opt/ml/model/checkpoints"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    assert {path.name: path.read_text() for path in (jobs.bucket / "saved").iterdir()} == {"latest": "new"}
    with tarfile.open(jobs.bucket / "out/job/output/model.tar.gz") as tar:
        assert tar.getnames() == ["checkpoints/latest"]
