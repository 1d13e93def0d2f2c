"""A server with a handler, as the commands of a page find one."""

from __future__ import annotations

from pathlib import Path

from tests.serve.running import Server
from tests.support import wait_until

_HANDLER = """
def model_fn(model_dir):
    return 2


def predict_fn(rows, factor):
    return rows * factor
"""


def a_server(folder: Path, more: str = "") -> Server:
    """Return a server of a handler that doubles numbers, with more functions; it starts on entering."""
    code = folder / "ml/code"
    code.mkdir(parents=True)
    (folder / "ml/model").mkdir()
    (code / "inference.py").write_text(more + _HANDLER)
    return Server(folder, "mlberth_serve.wsgi:application")


def wait_scraped(server: Server) -> None:
    """Wait until the server is ready and its page of metrics has both workers."""
    server.wait_ready()
    wait_until(lambda: b"mlberth_workers 2.0" in server.request("GET", "/metrics").body, message=server.text)
