"""The objects of a channel, and the names that they get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlberth_local.inputs.channels import check_names, select, share
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


@pytest.mark.parametrize(
    ("manifest", "names"),
    [
        ('[{"prefix": "s3://bucket/in/"}, "x/1.csv", "y/2.csv"]', ["x/1.csv", "y/2.csv"]),
        ('[{"prefix": "s3://bucket/in/"}, "x/1.csv", "y/1.csv"]', ["x/1.csv", "y/1.csv"]),
        ('[{"prefix": "s3://bucket/in/"}, "x/", "y/2.csv"]', ["x/1.csv", "y/2.csv"]),
        ('[{"prefix": "s3://bucket/in"}, "/x/1.csv"]', ["x/1.csv"]),
        ('[{"prefix": "s3://bucket/in/x/1"}, ".csv"]', ["1.csv"]),
        ('[{"prefix": "s3://bucket/in/x/1.csv"}, ""]', ["1.csv"]),
        ('[{"prefix": "s3://bucket"}, "/in/x/1.csv"]', ["in/x/1.csv"]),
        ('["s3://bucket/in/x/1.csv"]', ["in/x/1.csv"]),
        ('["s3://bucket/in/x/1.csv", "s3://bucket/in/x/1.csv"]', ["in/x/1.csv"]),
    ],
)
def test_names_of_what_a_manifest_lists(tmp_path: Path, manifest: str, names: list[str]) -> None:
    """Each is the path below the manifest's prefix, whatever else it lists; without one the whole key."""
    store = objects(tmp_path, "in/x/1.csv", "in/y/1.csv", "in/y/2.csv", "m")
    (tmp_path / "bucket/m").write_text(manifest)
    found = select({"S3Uri": "s3://bucket/m", "S3DataType": "ManifestFile"}, store)
    assert [item.name for item in found.items] == names


def test_a_large_manifest(tmp_path: Path) -> None:
    """It may have several megabytes."""
    store = objects(tmp_path, "in/a", "m")
    text = json.dumps([{"prefix": "s3://bucket/in/"}, *["a"] * 10_000], indent=300)
    assert (tmp_path / "bucket/m").write_text(text) > 2**20
    [item] = select({"S3Uri": "s3://bucket/m", "S3DataType": "ManifestFile"}, store).items
    assert item.name == "a"


def test_objects_of_one_name(tmp_path: Path) -> None:
    """Two buckets can have a key each; both cannot be one file."""
    store = objects(tmp_path, "a", "m")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a").touch()
    (tmp_path / "bucket/m").write_text('["s3://bucket/a", "s3://other/a"]')
    found = select({"S3Uri": "s3://bucket/m", "S3DataType": "ManifestFile"}, store)
    with pytest.raises(JobFailure, match="'s3://bucket/a' and 's3://other/a' would both be the file 'a'"):
        check_names(found.items)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"source-ref": null}', "line 3: source-ref is a NoneType; expected an address"),
        (b'{"source-ref": 5}', "line 3: source-ref is a int"),
        (b'{"source-ref": ["s3://bucket/a"]}', "line 3: source-ref is a list"),
        (b'{"source-ref": "a"}', "line 3: 'a': expected an address"),
        (b'{"source-ref": "s3://bucket/none"}', 'under S3 URL "s3://bucket/none".*line 3: The specified key'),
        (b'{"source-ref": "s3://none/a"}', "line 3: The specified bucket does not exist"),
        (b'{"source-ref": "s3://bucket/a\\u0000"}', "line 3: The specified key"),
        (b'{"other": 1}', "line 3: no attribute 'source-ref'"),
        (b"[1]", "line 3: found something else"),
        (b"null", "line 3: found something else"),
        (b"{", "line 3: found something else"),
        (b"\xff", "line 3: found something else"),
    ],
)
def test_faulty_lines_of_augmented_manifests(tmp_path: Path, line: bytes, cause: str) -> None:
    """The job's failure names the manifest and the line, whatever stands there."""
    store = objects(tmp_path, "a", "m")
    (tmp_path / "bucket/m").write_bytes(b'{"source-ref": "s3://bucket/a"}\n\n' + line)
    source = {"S3Uri": "s3://bucket/m", "S3DataType": "AugmentedManifestFile"}
    with pytest.raises(JobFailure, match=cause) as caught:
        select({**source, "AttributeNames": ["source-ref"]}, store)
    assert str(caught.value).startswith("ClientError: Data download failed:")
    assert "s3://bucket/m, line 3" in str(caught.value)


def test_shares_of_augmented_manifests(tmp_path: Path) -> None:
    """A host has the objects of its own lines, all of them."""
    store = objects(tmp_path, "a", "b", "c", "m")
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    lines = [{"x-ref": f"s3://bucket/{one}", "y-ref": f"s3://bucket/{other}"} for one, other in pairs]
    (tmp_path / "bucket/m").write_text("\n".join(map(json.dumps, lines)))
    source = {"S3Uri": "s3://bucket/m", "S3DataType": "AugmentedManifestFile"}
    found = select({**source, "AttributeNames": ["x-ref", "y-ref"]}, store)
    shares = [found.share("ShardedByS3Key", host, 2) for host in range(2)]
    assert [[item.name for item in one] for one in shares] == [["a", "b", "c"], ["a", "c"]]
    assert [item.name for item in found.share("FullyReplicated", 0, 2)] == ["a", "b", "c"]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_augmented_manifests_without_lines(tmp_path: Path, content: str) -> None:
    """They are no input."""
    store = objects(tmp_path, "m")
    (tmp_path / "bucket/m").write_text(content)
    source = {"S3Uri": "s3://bucket/m", "S3DataType": "AugmentedManifestFile", "AttributeNames": ["a-ref"]}
    with pytest.raises(JobFailure, match="the manifest is empty"):
        select(source, store)


@pytest.mark.parametrize("kind", ["Converse", "s3prefix"])
def test_kinds_that_there_are_not(tmp_path: Path, kind: str) -> None:
    """No kind is taken for another one."""
    with pytest.raises(JobFailure, match=f"S3DataType {kind} is not carried out here; use S3Prefix, "):
        select({"S3Uri": "s3://bucket/a", "S3DataType": kind}, objects(tmp_path, "a"))


def test_shares(tmp_path: Path) -> None:
    """They have each item once."""
    items = select({"S3Uri": "s3://bucket/"}, objects(tmp_path, *(f"{n:02}" for n in range(20)))).items
    shares = [share(items, "ShardedByS3Key", host, 3) for host in range(3)]
    assert sorted(item.name for one in shares for item in one) == [item.name for item in items]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert share(items, "FullyReplicated", 1, 3) == items
