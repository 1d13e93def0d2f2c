"""Objects brought to files, and those whose names lead elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform, channel

from mlberth_local.inputs.files import bring
from mlberth_local.inputs.objects import FolderObjects, Object
from mlberth_local.job_failure import JobFailure

HOSTILE = ["../../../out", "a/../../../out", "/a", "a//b", "./a", "a/.", "a\0b", "x" * 256]
FAILURE = "ClientError: Data download failed: 's3://"


def stored(jobs: JobPlatform, key: str) -> None:
    """Make an object whose key is no path, as a client of S3 can."""
    file = jobs.home / "content"
    file.write_text("hostile")
    jobs.jobs.context.objects.put(f"s3://{BUCKET}/{key}", file)


@pytest.mark.parametrize("name", [*HOSTILE, "", "half \ud800"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    """They are refused, and nothing is written anywhere."""
    source = tmp_path / "source"
    source.touch()
    folder = tmp_path / "in/this/folder"
    with pytest.raises(JobFailure, match=FAILURE):
        bring(Object("bucket", f"data/{name}", source, 0), folder, name)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_an_object_that_is_a_file_and_a_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    """A store can have both, a folder cannot: that is the input's fault."""
    source = tmp_path / "source"
    source.touch()
    first, second = (Object("bucket", name, source, 0) for name in names)
    bring(first, tmp_path / "folder", names[0])
    with pytest.raises(JobFailure, match=f"{FAILURE}bucket/{names[1]}'.*another object's file"):
        bring(second, tmp_path / "folder", names[1])


@pytest.mark.parametrize(
    "members",
    [
        {"InputDataConfig": [channel("data", "in/")]},
        {"InputDataConfig": [channel("data", "in/", InputMode="FastFile")]},
        {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/in"}},
    ],
    ids=["file", "fast file", "checkpoints"],
)
@pytest.mark.parametrize("name", ["../../../../escaped", "/tmp/escaped-from-a-job", "a\0b"])
def test_training_jobs(jobs: JobPlatform, members: dict[str, Any], name: str) -> None:
    """A job whose input has such a key fails with that key, before anything is written outside its tree."""
    stored(jobs, f"in/{name}")
    found = jobs.train("", **members)
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(f"{FAILURE}{BUCKET}/in/")
    assert name.rpartition("/")[2].encode("unicode_escape").decode() in found["FailureReason"]
    assert not Path("/tmp/escaped-from-a-job").exists()
    assert [path.name for path in jobs.home.rglob("escaped*")] == []


def test_pipes_have_no_names(jobs: JobPlatform) -> None:
    """In Pipe mode such an object is read as any other."""
    stored(jobs, "in/../escaped")
    program = (
        "import os\n"
        "while not os.path.exists('/opt/ml/input/data/data_0'): pass\n"
        "print(open('/opt/ml/input/data/data_0').read())\n"
    )
    found = jobs.train(program, InputDataConfig=[channel("data", "in/", InputMode="Pipe")])
    assert found["TrainingJobStatus"] == "Completed", found
    assert jobs.lines()["algo-1"] == ["hostile"]


def test_processing_jobs(jobs: JobPlatform) -> None:
    """Their inputs are brought in the same way."""
    stored(jobs, "in/../../../../escaped")
    source = {
        "S3Uri": f"s3://{BUCKET}/in/",
        "LocalPath": "/opt/ml/processing/data",
        "S3DataType": "S3Prefix",
    }
    found = jobs.process("", ProcessingInputs=[{"InputName": "data", "S3Input": source}])
    assert found["FailureReason"].startswith(f"{FAILURE}{BUCKET}/in/../../../../escaped'")
    assert [path.name for path in jobs.home.rglob("escaped*")] == []


def test_objects_in_the_cache_of_another_name(tmp_path: Path) -> None:
    """Content and rights are those of a copy: writing to it leaves the object as it is."""
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket/a").write_text("1")
    bring(FolderObjects(tmp_path).find("s3://bucket/a"), tmp_path / "folder", "deep/b", read_only=True)
    copy = tmp_path / "folder/deep/b"
    assert (copy.read_text(), copy.stat().st_mode & 0o222) == ("1", 0)
