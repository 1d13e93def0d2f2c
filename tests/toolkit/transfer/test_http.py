"""One file over HTTP, with a real server: what is repeated, and what is told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlberth.errors import ContractError, MlberthError, PlatformError
from mlberth.transfer.http import file_of, get, put, shown


class Files(http.server.BaseHTTPRequestHandler):
    """Files by path; the first answers are those of `script`: a status, or how many bytes of the body."""

    files: dict[str, bytes]
    script: list[tuple[str, int]]

    def do_GET(self) -> None:
        """Answer with a file, or as the script says."""
        body = self.files.get(self.path.partition("?")[0], b"")
        kind, number = self.script.pop(0) if self.script else ("whole", 0)
        if kind == "status":
            self.send_error(number)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:number] if kind == "cut" else body)
        self.close_connection = True

    def do_PUT(self) -> None:
        """Take a file."""
        if self.script:
            self.send_error(self.script.pop(0)[1])
            return
        self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def files() -> Iterator[tuple[str, type[Files]]]:
    """Serve files; returns the server's address, and where its files are."""
    handler = type("Own", (Files,), {"files": {"/data/a.csv": b"1,2\n" * 1000}, "script": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def test_get_and_put(tmp_path: Path, files: tuple[str, type[Files]]) -> None:
    """A download that breaks off, and a busy server, are tried again; the pauses double."""
    url, server = files
    server.script = [("cut", 100), ("status", 503), ("status", 429)]
    pauses: list[float] = []
    get(f"{url}/data/a.csv", tmp_path / "a", where="X", sleep=pauses.append)
    assert (tmp_path / "a").read_bytes() == server.files["/data/a.csv"]
    assert pauses == [1, 2, 4]
    server.script = [("status", 500)]
    put(tmp_path / "a", f"{url}/model.tar.gz", where="X", sleep=pauses.append)
    assert server.files["/model.tar.gz"] == server.files["/data/a.csv"]


@pytest.mark.parametrize(
    ("script", "kind", "told"),
    [
        ([("status", 403)], ContractError, "answers 403 Forbidden"),
        ([("status", 500)] * 4, PlatformError, "failed 4 times (Internal Server Error)"),
        ([("cut", 5)] * 4, PlatformError, "5 of 4000 bytes arrived"),
    ],
)
def test_what_fails_is_told_without_the_signature(
    tmp_path: Path,
    files: tuple[str, type[Files]],
    script: list[tuple[str, int]],
    kind: type[MlberthError],
    told: str,
) -> None:
    url, server = files
    server.script = list(script)
    with pytest.raises(kind) as caught:
        get(f"{url}/data/a.csv?X-Amz-Signature=0123456789", tmp_path / "a", where="X", sleep=lambda _: None)
    assert told in str(caught.value)
    assert "0123456789" not in str(caught.value)
    assert server.script == []


@pytest.mark.parametrize(
    ("url", "kind"), [("http://127.0.0.1:1/x", PlatformError), ("http://", ContractError)]
)
def test_no_server(tmp_path: Path, url: str, kind: type[MlberthError]) -> None:
    with pytest.raises(kind, match="X: found 'http://"):
        get(url, tmp_path / "a", where="X", sleep=lambda _: None)


def test_shown() -> None:
    assert shown("https://u:p@host:1/a/b.csv?sig=1") == "https://host:1/a/b.csv?…"
    assert file_of("https://host/a/b%20c.csv?sig=1") == "b c.csv"
    assert file_of("https://host") == ""
