"""The objects of a channel, and the names that they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_local.inputs.channels import select, share, shuffled
from mlberth_local.inputs.objects import FolderObjects
from mlberth_local.job_failure import JobFailure


def objects(folder: Path, *keys: str) -> FolderObjects:
    """Return a bucket with some objects."""
    for key in keys:
        path = folder / "bucket" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
    return FolderObjects(folder)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("data/", "data"),
        ("data", "data"),
        ("data/a", None),
        ("data/a/", "data/a"),
        ("", ""),
        ("data/a/x", None),
    ],
)
def test_folders_that_can_be_mounted(tmp_path: Path, prefix: str, expected: str | None) -> None:
    """A prefix is a folder if that has just its objects."""
    found = select({"S3Uri": f"s3://bucket/{prefix}"}, objects(tmp_path, "data/a/x", "data/ab", "data/b"))
    assert found.folder == (None if expected is None else tmp_path / "bucket" / expected)


def test_a_folder_with_another_object_of_its_prefix(tmp_path: Path) -> None:
    """`data` also means `data-2`: then no folder has all of it."""
    found = select({"S3Uri": "s3://bucket/data"}, objects(tmp_path, "data/a", "data-2/b"))
    assert found.folder is None
    assert sorted(item.name for item in found.items) == ["a", "data-2/b"]


@pytest.mark.parametrize(
    ("link", "to"), [("bucket/data/c", "elsewhere/b/x"), ("bucket/data/d/deep", "elsewhere/b")]
)
def test_a_folder_with_a_link(tmp_path: Path, link: str, to: str) -> None:
    """It would lead elsewhere inside a host: such a folder is not mounted."""
    store = objects(tmp_path, "data/a", "data/d/x")
    (tmp_path / "elsewhere/b").mkdir(parents=True)
    (tmp_path / "elsewhere/b/x").write_text("linked")
    (tmp_path / link).symlink_to(tmp_path / to)
    found = select({"S3Uri": "s3://bucket/data/"}, store)
    linked = [item for item in found.items if item.object.path.read_text() == "linked"]
    assert found.folder == (None if linked else tmp_path / "bucket/data")


@pytest.mark.parametrize(
    ("manifest", "cause"),
    [
        ('[{"prefix": "s3://bucket/data/"}, "none"]', "The specified key does not exist"),
        ("[]", "the manifest is empty"),
        ("{", "broken JSON"),
        ('["x"]', "expected an address such as"),
    ],
)
def test_faulty_manifests(tmp_path: Path, manifest: str, cause: str) -> None:
    """The failure names what is wrong."""
    store = objects(tmp_path, "m")
    (tmp_path / "bucket/m").write_text(manifest)
    with pytest.raises(JobFailure, match=cause):
        select({"S3Uri": "s3://bucket/m", "S3DataType": "ManifestFile"}, store)


def test_manifests_of_two_folders(tmp_path: Path) -> None:
    """Files of one name keep their whole keys."""
    store = objects(tmp_path, "a/x", "b/x", "m")
    (tmp_path / "bucket/m").write_text('["s3://bucket/a/x", "s3://bucket/b/x"]')
    found = select({"S3Uri": "s3://bucket/m", "S3DataType": "ManifestFile"}, store)
    assert [item.name for item in found.items] == ["a/x", "b/x"]


def test_shares_and_orders(tmp_path: Path) -> None:
    """Shares have each item once; an order is the same for the same seed, and another for another epoch."""
    items = select({"S3Uri": "s3://bucket/"}, objects(tmp_path, *(f"{n:02}" for n in range(20)))).items
    shares = [share(items, "ShardedByS3Key", host, 3) for host in range(3)]
    assert sorted(item.name for one in shares for item in one) == [item.name for item in items]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert share(items, "FullyReplicated", 1, 3) == items
    assert shuffled(items, None) == items
    assert shuffled(items, 7) == shuffled(items, 7) != items
    assert shuffled(items, 7, 1) != shuffled(items, 7, 2)
