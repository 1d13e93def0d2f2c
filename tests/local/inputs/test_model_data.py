"""The files of models that are not packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlberth_local.inputs.model_data import bring_model
from mlberth_local.inputs.objects import FolderObjects
from mlberth_local.job_failure import JobFailure


def container(address: str, kind: str = "S3Prefix") -> dict[str, Any]:
    """Return a container definition whose model is not packed."""
    source = {"S3Uri": address, "S3DataType": kind, "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    """Return a bucket with a model of two files."""
    for name in ("weights", "code/inference.py"):
        path = tmp_path / "s3/bucket/model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return FolderObjects(tmp_path / "s3")


def test_a_prefix_and_one_object(objects: FolderObjects, tmp_path: Path) -> None:
    """A prefix brings all below it, an object one file."""
    bring_model(container("s3://bucket/model/"), tmp_path / "all", objects)
    assert (tmp_path / "all/code/inference.py").read_text() == "code/inference.py"
    assert (tmp_path / "all/weights").exists()
    bring_model(container("s3://bucket/model/weights", "S3Object"), tmp_path / "one", objects)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["weights"]


def test_nothing_there(objects: FolderObjects, tmp_path: Path) -> None:
    """A model without files is said to be none."""
    with pytest.raises(JobFailure, match="the model s3://bucket/none/: there is no object below"):
        bring_model(container("s3://bucket/none/"), tmp_path / "model", objects)


def test_a_key_that_leads_out(objects: FolderObjects, tmp_path: Path) -> None:
    """Any client can write one; no model is made of it, and nothing is written elsewhere."""
    objects.put("s3://bucket/model/../../escaped", tmp_path / "s3/bucket/model/weights")
    with pytest.raises(JobFailure, match=r"'s3://bucket/model/\.\./\.\./escaped'"):
        bring_model(container("s3://bucket/model/"), tmp_path / "deep/er/model", objects)
    assert [path.name for path in tmp_path.rglob("escaped")] == []
