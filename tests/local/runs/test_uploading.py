"""Tests of what is packed of a project, and of a model."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import Front

from mlberth.errors import ContractError
from mlberth_local.runs.plan import Download, Upload
from mlberth_local.runs.s3_client import S3Client
from mlberth_local.runs.screen import Screen
from mlberth_local.runs.uploading import fetch, pack


def write(folder: Path, *names: str) -> None:
    """Write small files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def packed(upload: Upload, folder: Path) -> list[str]:
    """Return the names of the files in what an upload is packed to."""
    pack(upload, folder / "packed.tar.gz", folder / "unpacked")
    with tarfile.open(folder / "packed.tar.gz") as tar:
        return sorted(member.name for member in tar if member.isfile())


def test_a_project_leaves_out_its_data_and_what_no_job_needs(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, "train.py", "lib/a.py", ".git/HEAD", "lib/__pycache__/a.pyc", ".env", "data/a.csv")
    upload = Upload(project, "s3://b/k", packed=True, without=(project / "data",))
    assert packed(upload, tmp_path) == [".env", "lib/a.py", "train.py"]


def test_code_is_added_to_a_model(tmp_path: Path) -> None:
    """Whether the model is a folder, an archive or a file."""
    code, model = tmp_path / "code", tmp_path / "model"
    write(code, "inference.py", "__pycache__/x.pyc")
    write(model, "weights")
    assert packed(Upload(model, "s3://b/k", packed=True, code=code), tmp_path) == [
        "code/inference.py",
        "weights",
    ]
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("weights"), io.BytesIO())
    assert packed(Upload(archive, "s3://b/k", packed=True, code=code), tmp_path) == [
        "code/inference.py",
        "weights",
    ]


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped-from-a-run", "a//b"])
def test_results_stay_in_their_folder(front: Front, s3: Any, bucket: str, tmp_path: Path, name: str) -> None:
    """An object whose name leads elsewhere is no result; the others come back."""
    s3.put_object(Bucket=bucket, Key="out/deep/a", Body=b"1")
    client, screen = S3Client(front.platform.settings.port), Screen(io.StringIO(), io.StringIO(), "run")
    target = tmp_path / "deep/er/results"
    s3.put_object(Bucket=bucket, Key=f"out/{name}", Body=b"2")
    with pytest.raises(ContractError, match="expected names that stay in the folder"):
        fetch([Download(f"s3://{bucket}/out", target)], client, screen)
    assert (target / "deep/a").read_text() == "1"
    assert [path.name for path in tmp_path.rglob("escaped*")] == []
    assert not Path("/tmp/escaped-from-a-run").exists()
