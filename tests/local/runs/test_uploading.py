"""Tests of what is packed of a project, and of a model."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from mlberth_local.runs.plan import Upload
from mlberth_local.runs.uploading import pack


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
