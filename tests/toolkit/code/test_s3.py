"""Objects of a store that speaks S3's API: moto's server, as a job meets it."""

from __future__ import annotations

import http.client
import http.server
import io
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.object_store import CREDENTIALS, ObjectStore, serving_objects

from mlberth.code.s3 import S3Prefix, bundled, download

pytest.importorskip("moto", exc_type=ImportError)
PART = 5 * 1024 * 1024
"""The smallest that S3 takes."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Serve a bucket; botocore finds the credentials in this process's environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serving_objects() as serving:
        yield serving


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART, 2 * PART + 7])
def test_large_file_goes_up_in_parts(store: ObjectStore, tmp_path: Path, size: int) -> None:
    """A file of any size arrives whole, below, at and beyond the size of a part."""
    file = tmp_path / "model.bin"
    file.write_bytes(os.urandom(size))
    S3Prefix("s3://bucket/job", store.environ, where="X").put(file, "model.bin", part=PART)
    assert store.read("job/model.bin") == file.read_bytes()
    etag = store.client().head_object(Bucket="bucket", Key="job/model.bin")["ETag"]
    assert ("-" in etag) == (size > PART)
    assert "Uploads" not in store.client().list_multipart_uploads(Bucket="bucket")


def test_upload_that_fails_leaves_no_parts(store: ObjectStore, tmp_path: Path) -> None:
    """If a part fails, the store is told to forget the others: it would keep and bill them."""
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(2 * PART))
    prefix = S3Prefix("s3://bucket/job", store.environ, where="X")

    class Failing(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    with Failing(str(file)) as body, pytest.raises(OSError, match="Input/output error"):
        prefix.put_parts("job/model.bin", body, PART)
    assert "Uploads" not in store.client().list_multipart_uploads(Bucket="bucket")
    assert "Contents" not in store.client().list_objects_v2(Bucket="bucket")


def test_broken_download_goes_on_where_it_broke(store: ObjectStore, tmp_path: Path) -> None:
    """A connection that ends in the middle of a body costs the rest of it once more, not the object."""
    content = os.urandom(9 * 1024 * 1024)
    store.client().put_object(Bucket="bucket", Key="code.bin", Body=content)
    upstream = urlsplit(store.url)
    ranges: list[str | None] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ranges.append(self.headers.get("Range"))
            connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port)
            connection.request("GET", self.path, headers=dict(self.headers))
            response = connection.getresponse()
            body = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: 4 * 1024 * 1024])  # and no more of it than this
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            environ = {**store.environ, "S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
            found = download("s3://bucket/code.bin", tmp_path, environ, where="X")
        finally:
            server.shutdown()
            thread.join()
    assert found.read_bytes() == content
    assert ranges[0] is None
    assert all(asked and asked.startswith("bytes=") for asked in ranges[1:])
    assert len(ranges) == 3


def test_botocore_of_the_images_is_found_in_its_folder(store: ObjectStore, tmp_path: Path) -> None:
    """Without an installed botocore that of the image is used, and only then is its folder on the path."""
    import botocore

    store.client().put_object(Bucket="bucket", Key="train.py", Body=b"print()")
    prefix = tmp_path / "prefix"
    folder = prefix / "share/mlberth/aws"
    folder.mkdir(parents=True)
    site = Path(botocore.__file__).parents[1]
    for name in ("botocore", "jmespath", "dateutil", "urllib3"):
        (folder / name).symlink_to(site / name)
    shutil.copy(site / "six.py", folder)
    code = (
        "import sys\n"
        f"sys.prefix = {str(prefix)!r}\n"
        "from pathlib import Path\n"
        "from mlberth.code.s3 import download\n"
        "before = list(sys.path)\n"
        f"folder, environ = Path({str(tmp_path)!r}), {store.environ!r}\n"
        "print(download('s3://bucket/train.py', folder, environ, where='X').name)\n"
        "print(sys.path[len(before):])\n"
    )
    root = Path(__file__).parents[3]
    environ = {**CREDENTIALS, "PATH": os.environ["PATH"], "PYTHONPATH": str(root / "toolkit")}
    argv = [sys.executable, "-S", "-c", code]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == ["train.py", f"[{str(folder)!r}]"], done.stderr


def test_folder_of_the_images_is_the_environments_own() -> None:
    """It is below the prefix of this Python, so that an image's environment can be moved."""
    assert bundled() == Path(sys.prefix) / "share/mlberth/aws"
