"""The user's own nginx.conf, with a real nginx: files that were written for other servers."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.serve.running import Server, require_nginx
from tests.support import free_port, wait_until

APPLICATION = "mlberth_serve.wsgi:application"
CONF = """
worker_processes 1;
{main}
pid {folder}/nginx.pid;
error_log /dev/stderr;
events {{ }}
http {{
  access_log off;
  upstream gunicorn {{ {upstream}; }}  # server unix:gunicorn.sock
  server {{
    listen 127.0.0.1:{port};
    location ~ ^/(ping|invocations) {{ proxy_pass http://gunicorn; }}
    location / {{ return 404 "{{}}"; }}
  }}
}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a handler in its tree."""
    require_nginx()
    code = tmp_path / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text("def model_fn(d): return 1\ndef predict_fn(d, m): return [m]\n")
    return tmp_path


def serve(folder: Path, upstream: str, main: str = "daemon off;") -> Server:
    """Return a server with an nginx.conf of the user's."""
    server = Server(folder, APPLICATION, SAGEMAKER_NGINX_CONF=str(folder / "own.conf"))
    text = CONF.format(folder=folder, port=server.port, upstream=upstream, main=main)
    (folder / "own.conf").write_text(text)
    return server


@pytest.mark.parametrize("main", ["daemon off;", ""])
@pytest.mark.parametrize("left", ["nothing", "a socket of a server that is gone", "a link to nowhere"])
def test_upstream_of_another_name_leads_to_gunicorn(folder: Path, left: str, main: str) -> None:
    """The socket that the file names is a link while we serve; nginx stays in the foreground."""
    path = folder / "gunicorn.sock"
    if left.startswith("a socket"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif left.startswith("a link"):
        path.symlink_to("/nowhere")
    with serve(folder, f"server unix:{path} fail_timeout=0", main) as server:
        server.wait_ready()
        assert server.invoke("[1]").body == b"[1]"
        assert f"unix:{path} leads to gunicorn" in server.text
        assert server.stop() == 0
    assert not os.path.lexists(path)


def test_our_own_name_needs_no_link(folder: Path) -> None:
    """A file that names our socket, relative to nginx's folder, is used as it is."""
    with serve(folder, "server unix:gunicorn.sock") as server:
        server.wait_ready()
        assert server.invoke("[1]").status == 200
        assert "leads to gunicorn" not in server.text


@pytest.mark.parametrize(
    ("upstream", "main", "found"),
    [
        ("server 127.0.0.1:8000", "", "the upstream 127.0.0.1:8000, and none that leads to gunicorn"),
        ("server unix:{folder}/taken", "", "/taken, where somebody else listens"),
        ("server unix:{folder}/no/such/folder.sock", "", "which cannot be made a link (No such file"),
        pytest.param(
            "server unix:gunicorn.sock",
            "user nobody nogroup;",
            "user nobody",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="nginx ignores its user"),
        ),
    ],
)
def test_file_that_leads_nowhere_ends_the_start(folder: Path, upstream: str, main: str, found: str) -> None:
    """Rather than /ping being 502 for ever: the error says what the file must have."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "taken"))
        listener.listen()
        with serve(
            folder, upstream.format(folder=folder), f"daemon off; {main}".replace("; user", ";\nuser")
        ) as server:
            assert server.process.wait(60)
            assert f"SAGEMAKER_NGINX_CONF: found {found}"[:22] in server.text
            assert found in server.text
            assert "expected" in server.text


def test_port_of_the_file_is_compared(folder: Path) -> None:
    """A file that listens elsewhere than the variable says is told in a line."""
    with serve(folder, "server unix:gunicorn.sock") as server:
        text = (folder / "own.conf").read_text()
        other = free_port()
        (folder / "own.conf").write_text(text.replace(f":{server.port};", f":{other};"))
        wait_until(lambda: f"listens on {other}, and SAGEMAKER_BIND_TO_PORT is" in server.text)
