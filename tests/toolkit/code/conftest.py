"""Fixtures of package indexes, and of code that needs one."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.toolkit.installing import wheel

TOKEN = "canary-token"
LOGIN = f"Basic {base64.b64encode(f'aws:{TOKEN}'.encode()).decode()}"


class Index(BaseHTTPRequestHandler):
    """CodeArtifact's two calls, and a private index behind a password, on one port."""

    folder: ClassVar[Path]

    def do_POST(self) -> None:
        """Give out a token."""
        self.answer(json.dumps({"authorizationToken": TOKEN, "expiration": 0}).encode())

    def do_GET(self) -> None:
        """Name the endpoint, list a package, or send a wheel to who has the token."""
        if self.path.startswith("/v1/repository/endpoint"):
            host = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            self.answer(json.dumps({"repositoryEndpoint": f"{host}/pypi/python/"}).encode())
        elif self.headers["Authorization"] != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
        elif self.path.endswith(".whl"):
            self.answer((self.folder / Path(self.path).name).read_bytes())
        else:
            (file,) = self.folder.glob("*.whl")
            self.answer(f'<a href="/{file.name}">{file.name}</a>'.encode(), "text/html")

    def answer(self, body: bytes, kind: str = "application/json") -> None:
        """Send a body."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Return the address of an index that has one package, `mlberth_private`."""
    Index.folder = tmp_path / "packages"
    Index.folder.mkdir()
    wheel(Index.folder, "mlberth_private")
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return a folder whose code asks for the private package."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "requirements.txt").write_text("mlberth_private\n")
    return folder


@pytest.fixture
def private(python: str) -> Iterator[None]:
    """Forget the private package in the end."""
    yield
    subprocess.run(
        [python, "-m", "pip", "uninstall", "-qy", "mlberth_private"], check=True, capture_output=True
    )
