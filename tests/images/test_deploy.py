"""The files of examples/deploy, run: compose as it stands, and the pod's containers as Docker's."""

from __future__ import annotations

import http.server
import shutil
import tarfile
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.docs.commands import commands
from tests.docs.test_deploy import environment, pod
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.images.pages import Shell
from tests.support import free_port, wait_until

PROJECT = ROOT / "tests/projects/four_functions"


def lay_out(folder: Path) -> Path:
    """Make a model folder with its handler, which anybody may read."""
    shutil.copytree(PROJECT, folder)
    return folder


def test_compose(shell: Shell, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's commands start a server, get an answer, and remove it."""
    monkeypatch.setenv("IMAGE", image("serve", "sklearn"))
    lay_out(shell.folder / "ml/model")
    shutil.copytree(ROOT / "examples/deploy", shell.folder / "examples/deploy")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"mlberth-tests-{uuid.uuid4().hex[:8]}")
    (script,) = commands("docs/how-to/deploy.md", "compose")
    down = script.splitlines()[-1]
    try:
        assert "51.0;35.0;14.0;2.0" in shell.run(script)
    finally:
        shell.run(f'export MODEL_DIR="$PWD"\n{down}')


@pytest.fixture
def archive_url(tmp_path: Path) -> Iterator[str]:
    """Return the address of a model.tar.gz on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for path in sorted(PROJECT.iterdir()):
            archive.add(path, path.name)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/model.tar.gz"
        server.shutdown()


def options(container: dict[str, Any], volume: str) -> list[str]:
    """Return what `docker run` is told so that a container has what the pod gives it."""
    user = pod()["securityContext"]
    (model,) = [mount for mount in container["volumeMounts"] if mount["name"] == "model"]
    found = ["--network", "host", "--user", f"{user['runAsUser']}:{user['runAsGroup']}", "--read-only"]
    found += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]
    mode = "ro" if model.get("readOnly") else "rw"
    return [*found, "--volume", f"{volume}:{model['mountPath']}:{mode}"]


def test_pod(engine: Engine, image: Image, archive_url: str, tmp_path: Path) -> None:
    """The init container unpacks the model, the server serves it, and both need no right."""
    name = image("serve", "sklearn")
    (fetch,), (serve,) = pod()["initContainers"], pod()["containers"]
    volume = tmp_path / "volume"
    volume.mkdir()
    shutil.chown(volume, 10001, 10001)
    entry, *rest = fetch["command"]
    started = [*options(fetch, str(volume)), "--env", f"MODEL_URL={archive_url}", "--entrypoint", entry]
    done = engine.run(name, *rest, *fetch["args"], options=started)
    assert done.returncode == 0, done.stderr
    assert (volume / "code/inference.py").exists()
    port = free_port()
    variables = {
        **environment(serve),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_STOP_DELAY_SECONDS": "0",
    }
    settings = [part for one in variables.items() for part in ("--env", "=".join(one))]
    server = engine.start(name, *serve["args"], options=[*options(serve, str(volume)), *settings])
    wait_until(lambda: server.execute("mlberth", "health").returncode == 0, message=server.logs())
    assert server.stop() == 0, server.logs()
