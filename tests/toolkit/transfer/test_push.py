"""What is pushed: an archive or files, to S3, HTTP or a path."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tests.object_store import ObjectStore
from tests.toolkit.transfer.test_fetch import tree

from mlberth.errors import ContractError, PlatformError
from mlberth.transfer.fetch import Options, fetch
from mlberth.transfer.push import push


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a folder with a model."""
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "model.joblib").write_text("m")
    (folder / "code/inference.py").write_text("i")
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def test_what_is_pushed_can_be_fetched(store: ObjectStore, model: Path, tmp_path: Path) -> None:
    """As an archive and as files, in S3 and on disk."""
    expected = {"model.joblib": "m", "code/inference.py": "i"}
    for number, url in enumerate(("s3://bucket/job/", f"file://{tmp_path}/out/")):
        assert push(model, f"{url}model.tar.gz", store.environ) == 2
        assert push(model, f"{url}files", store.environ) == 2
        fetch(f"{url}model.tar.gz", tmp_path / f"{number}a", store.environ, Options(unpack=True))
        fetch(f"{url}files", tmp_path / f"{number}b", store.environ, Options())
        assert tree(tmp_path / f"{number}a") == tree(tmp_path / f"{number}b") == expected
    push(model, str(tmp_path / "plain.tar"), {})
    with tarfile.open(tmp_path / "plain.tar", "r:") as tar:
        assert sorted(tar.getnames()) == sorted(expected)


def test_file(store: ObjectStore, model: Path, tmp_path: Path) -> None:
    """One file goes below an address, and an archive as it is."""
    push(model / "model.joblib", "s3://bucket/files/", store.environ)
    assert store.read("files/model.joblib") == b"m"
    push(model, str(tmp_path / "a.tar.gz"), {})
    push(tmp_path / "a.tar.gz", "s3://bucket/b.tar.gz", store.environ)
    assert store.read("b.tar.gz") == (tmp_path / "a.tar.gz").read_bytes()


def test_nothing_to_push(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert push(tmp_path / "empty", str(tmp_path / "x.tar.gz"), {}) == 0
    assert not (tmp_path / "x.tar.gz").exists()


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("http://127.0.0.1:1/folder?sig=secret", ContractError, "a PUT takes one file"),
        ("gs://bucket/x.tar.gz", ContractError, "mlberth push, URL"),
        ("/proc/nowhere/x.tar.gz", PlatformError, "No such file"),
        ("/proc/nowhere/", PlatformError, "No such file"),
    ],
)
def test_address_that_does_not_fit(model: Path, url: str, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told) as caught:
        push(model, url, {})
    assert "secret" not in str(caught.value)
