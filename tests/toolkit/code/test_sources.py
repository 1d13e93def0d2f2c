"""The user's code, fetched from folders, archives, files and a real HTTP server that stands in for S3."""

from __future__ import annotations

import http.server
import logging
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth.code.archives import ArchiveError
from mlberth.code.sources import fetch_code
from mlberth.errors import ContractError, DependencyError, PlatformError


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with a program in it."""
    folder = tmp_path / "source"
    (folder / "pkg").mkdir(parents=True)
    (folder / "train.py").write_text("print()")
    (folder / "pkg/a.py").write_text("a = 1")
    return folder


@pytest.fixture
def tarball(source: Path, tmp_path: Path) -> Path:
    """Return the same folder as a .tar.gz."""
    path = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(source, ".")
    return path


def test_folder_is_copied(source: Path, tmp_path: Path) -> None:
    """A local folder arrives with everything below it, and stays as it is."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.py").write_text("b")
    (source / "linked").symlink_to("../elsewhere")
    (source / "dangling").symlink_to("nowhere")
    fetch_code(str(source), tmp_path / "code", {})
    assert tree(tmp_path / "code") == {"train.py": "print()", "pkg/a.py": "a = 1", "linked/b.py": "b"}
    assert (source / "train.py").exists()


def test_archive_is_unpacked(tarball: Path, source: Path, tmp_path: Path) -> None:
    """A local .tar.gz arrives unpacked."""
    fetch_code(str(tarball), tmp_path / "code", {})
    assert tree(tmp_path / "code") == tree(source)


def test_file_is_copied(source: Path, tmp_path: Path) -> None:
    """A single file arrives under its own name."""
    fetch_code(str(source / "train.py"), tmp_path / "code", {})
    assert tree(tmp_path / "code") == {"train.py": "print()"}


def test_code_folder_itself_is_left_alone(source: Path) -> None:
    """A source that is the destination already needs nothing."""
    fetch_code(str(source), source, {})
    assert set(tree(source)) == {"train.py", "pkg/a.py"}


def test_named_source_wins_over_what_the_image_brought(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The destination becomes the source alone; what it held is kept aside, and a warning says where."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("old")
    (code / "setup.py").write_text("old")
    with caplog.at_level(logging.WARNING, "mlberth"):
        fetch_code(str(source), code, {})
    assert tree(code) == tree(source)
    assert tree(tmp_path / "code.replaced-1") == {"train.py": "old", "setup.py": "old"}
    assert str(tmp_path / "code.replaced-1") in caplog.text
    assert str(source) in caplog.text


def test_source_that_fails_leaves_the_code_as_it_was(tmp_path: Path) -> None:
    """A broken archive changes nothing."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("old")
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ArchiveError):
        fetch_code(str(tmp_path / "a.tar.gz"), tmp_path / "code", {})
    assert tree(tmp_path / "code") == {"train.py": "old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "code"]


@pytest.mark.parametrize(
    "source",
    [
        "/no/such/folder",
        "https://example.com/a.tar.gz",
        "/dev/null",
        "s3://bucket",
        "/",
        "x" * 300,
    ],
)
def test_source_that_cannot_be_one_is_named(source: str, tmp_path: Path) -> None:
    """The error says which setting, what stands there and what could."""
    with pytest.raises(ContractError) as caught:
        fetch_code(source, tmp_path / "code", {}, where="SAGEMAKER_SUBMIT_DIRECTORY")
    assert "SAGEMAKER_SUBMIT_DIRECTORY" in str(caught.value)
    assert source in str(caught.value)
    assert "s3://bucket/key" in str(caught.value)


def test_folder_with_a_fifo_is_refused_without_waiting(source: Path, tmp_path: Path) -> None:
    """What is no file cannot be copied, and nobody waits for its writer."""
    os.mkfifo(source / "pipe")
    with pytest.raises(PlatformError, match="pipe"):
        fetch_code(str(source), tmp_path / "code", {})
    assert not (tmp_path / "code").exists()


@pytest.fixture
def object_store(tarball: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Serve one bucket over HTTP as S3 does; yield the environment that leads there."""
    objects = {"/bucket/jobs/sourcedir.tar.gz": tarball.read_bytes(), "/bucket/train.py": b"print()"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = objects.get(self.path.partition("?")[0])
            answer = (
                body or b"<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>"
            )
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    # botocore finds credentials in the process's own environment.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "SAGEMAKER_REGION": "eu-west-1",
        }
        server.shutdown()
        thread.join()


def test_archive_in_s3_is_unpacked(object_store: dict[str, str], source: Path, tmp_path: Path) -> None:
    """An s3:// address of a .tar.gz is read from the given endpoint and unpacked."""
    pytest.importorskip("botocore", exc_type=ImportError)
    fetch_code("s3://bucket/jobs/sourcedir.tar.gz", tmp_path / "code", object_store)
    assert tree(tmp_path / "code") == tree(source)


def test_file_in_s3_is_copied(object_store: dict[str, str], tmp_path: Path) -> None:
    """An s3:// address of a program arrives under its own name."""
    pytest.importorskip("botocore", exc_type=ImportError)
    fetch_code("s3://bucket/train.py", tmp_path / "code", object_store)
    assert tree(tmp_path / "code") == {"train.py": "print()"}


def test_object_that_is_not_there_is_named(object_store: dict[str, str], tmp_path: Path) -> None:
    """The store's own reason is part of the error."""
    pytest.importorskip("botocore", exc_type=ImportError)
    with pytest.raises(ContractError, match=r"s3://bucket/gone\.tar\.gz.*NoSuchKey"):
        fetch_code("s3://bucket/gone.tar.gz", tmp_path / "code", object_store)


@pytest.mark.parametrize("setting", ["S3_ENDPOINT_URL", "AWS_REGION"])
def test_setting_that_makes_no_client_is_named(
    object_store: dict[str, str], tmp_path: Path, setting: str
) -> None:
    """A region and an endpoint may be any text; the error tells where to look."""
    pytest.importorskip("botocore", exc_type=ImportError)
    with pytest.raises(ContractError, match=rf"no client can be made .*{setting}"):
        fetch_code("s3://bucket/train.py", tmp_path / "code", {**object_store, setting: "a b\n"})


@pytest.mark.parametrize("name", ["a\0b", "\udcff", "x" * 300])
def test_object_with_a_name_that_no_disk_takes_is_refused(
    object_store: dict[str, str], tmp_path: Path, name: str
) -> None:
    """A hyperparameter can hold any text, and a file cannot be called by all of it."""
    pytest.importorskip("botocore", exc_type=ImportError)
    with pytest.raises(ContractError, match="cannot be read"):
        fetch_code(f"s3://bucket/{name}", tmp_path / "code", object_store)


def test_missing_botocore_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names the command that installs it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(DependencyError, match=r'pip install "mlberth\[aws\]"'):
        fetch_code("s3://bucket/key.tar.gz", tmp_path / "code", {})
