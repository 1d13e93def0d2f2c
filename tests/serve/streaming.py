"""A server whose handler streams as its requests say, and a client that reads as it comes."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.serve.running import PROJECTS, Server

ASYNC = ["", "_async"]
"""How the names of the project's generators end, of the plain ones and of the async ones."""


class Streaming(Server):
    """A server of the project `streaming`, with the folder in which its generators leave notes."""

    def __init__(self, folder: Path, **variables: str) -> None:
        shutil.copytree(PROJECTS / "streaming", folder / "ml/model/code")
        self.notes = folder / "notes"
        self.notes.mkdir()
        super().__init__(folder, "mlberth_serve.wsgi:application", STREAM_NOTES=str(self.notes), **variables)

    def __enter__(self) -> Streaming:
        super().__enter__()
        return self

    def has(self, name: str) -> bool:
        """Tell whether a generator has left a note."""
        return (self.notes / name).exists()

    def allow(self, name: str) -> None:
        """Let a generator go on."""
        (self.notes / name).touch()


@contextlib.contextmanager
def asked(server: Server, order: dict[str, Any], **headers: str) -> Iterator[http.client.HTTPResponse]:
    """Ask for a stream, and give what answers as soon as its head is there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    try:
        connection.request("POST", "/invocations", json.dumps(order).encode(), headers)
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()
