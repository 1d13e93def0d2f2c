"""What is fetched into a folder: all of it or nothing, and nothing beside the folder."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.object_store import ObjectStore

from mlberth.code.archives import ArchiveError
from mlberth.errors import ContractError, PlatformError
from mlberth.transfer.fetch import Options, fetch, is_filled


def tree(folder: Path) -> dict[str, str]:
    """Return every file below a folder with its text."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def archive(names: dict[str, str], target: Path) -> Path:
    """Write a .tar.gz."""
    with tarfile.open(target, "w:gz") as tar:
        for name, text in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target


def put(store: ObjectStore, objects: dict[str, str]) -> None:
    """Store objects."""
    for key, text in objects.items():
        store.client().put_object(Bucket="bucket", Key=key, Body=text.encode())


def test_prefix_manifest_and_share(store: ObjectStore, tmp_path: Path) -> None:
    """Names are what is after the prefix's folder, in a manifest too; a host has every so many-th object."""
    keys = {"data/train/": "", "data/train/a": "1", "data/train/b/c": "2", "data/trainer": "3"}
    put(store, keys)
    put(store, {"list": json.dumps([{"prefix": "s3://bucket/data/"}, "train/", "trainer"])})
    fetch("s3://bucket/data/train/", tmp_path / "whole", store.environ, Options())
    assert tree(tmp_path / "whole") == {"a": "1", "b/c": "2"}
    parts = []
    for host in (0, 1):
        fetch("s3://bucket/data/train", tmp_path / str(host), store.environ, Options(share=(host, 2)))
        parts.append(tree(tmp_path / str(host)))
    assert parts == [{"a": "1", "trainer": "3"}, {"b/c": "2"}]
    fetch("s3://bucket/list", tmp_path / "listed", store.environ, Options(manifest=True))
    assert tree(tmp_path / "listed") == {"train/a": "1", "train/b/c": "2", "trainer": "3"}


def test_one_file_beside_others(store: ObjectStore, tmp_path: Path) -> None:
    """What the folder holds stays; a fetch that is repeated changes nothing."""
    put(store, {"data/a.csv": "1"})
    target = tmp_path / "channel"
    target.mkdir()
    (target / "own").write_text("mine")
    for _ in range(2):
        assert fetch("s3://bucket/data/a.csv", target, store.environ, Options()) == ["a.csv"]
    assert tree(target) == {"a.csv": "1", "own": "mine"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("options", [Options(), Options(manifest=True), Options(unpack=True)])
def test_nothing_there(store: ObjectStore, tmp_path: Path, options: Options) -> None:
    with pytest.raises(ContractError, match=r"nothing at|0 objects|cannot be read"):
        fetch("s3://bucket/absent", tmp_path / "x", store.environ, options)
    assert not (tmp_path / "x").exists()


def test_nothing_there_may_be_right(store: ObjectStore, tmp_path: Path) -> None:
    """As of checkpoints before the first one."""
    assert fetch("s3://bucket/absent", tmp_path / "x", store.environ, Options(optional=True)) == []
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize("key", ["data/../../etc/x", "data/a/../b"])
def test_object_whose_name_leads_out(store: ObjectStore, tmp_path: Path, key: str) -> None:
    """Nothing is written, not even the objects beside it."""
    put(store, {"data/a": "1", key: "2"})
    with pytest.raises(ContractError, match="names that stay in the folder"):
        fetch("s3://bucket/data/", tmp_path / "x", store.environ, Options())
    assert list(tmp_path.iterdir()) == []


def test_object_that_is_a_file_and_a_folder(store: ObjectStore, tmp_path: Path) -> None:
    put(store, {"data/a": "1", "data/a/b": "2"})
    with pytest.raises(PlatformError, match="cannot be copied"):
        fetch("s3://bucket/data/", tmp_path / "x", store.environ, Options())
    assert list(tmp_path.iterdir()) == []


def test_unpack(tmp_path: Path) -> None:
    """An archive's files appear, and no archive; a bad one leaves nothing."""
    good = archive({"model.joblib": "m", "code/inference.py": "i"}, tmp_path / "model.tar.gz")
    assert fetch(f"file://{good}", tmp_path / "x", {}, Options(unpack=True)) == [
        "code/inference.py",
        "model.joblib",
    ]
    assert tree(tmp_path / "x") == {"model.joblib": "m", "code/inference.py": "i"}
    assert [path.name for path in (tmp_path / "x").iterdir() if path.name.startswith(".")] == []
    bad = archive({"a": "1", "../b": "2"}, tmp_path / "bad.tar.gz")
    with pytest.raises(ArchiveError, match=r"'\.\.'"):
        fetch(str(bad), tmp_path / "y", {}, Options(unpack=True))
    assert not (tmp_path / "y").exists()


def test_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/sub/a").write_text("1")
    fetch(str(tmp_path / "data"), tmp_path / "x", {}, Options())
    assert tree(tmp_path / "x") == {"sub/a": "1"}


@pytest.mark.parametrize("url", ["gs://bucket/x", "s3://", "ftp://host/x"])
def test_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(ContractError, match="mlberth fetch, URL: found"):
        fetch(url, tmp_path / "x", {}, Options())


def test_new_volume_is_empty(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert not is_filled(tmp_path)
    (tmp_path / "step-1").mkdir()
    assert is_filled(tmp_path)
