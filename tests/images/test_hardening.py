"""A server in a container that may do nothing but serve, looked at from inside; and what images tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.images.conftest import Image
from tests.images.engine import FLAVOURS, HARDENED, KINDS, ROOT, Container, Engine
from tests.support import wait_until

from mlberth.masking import masked_text

Seen = dict[str, Any]
CANARY = "canary5e1fd0c7canary"
HANDLER = """
def model_fn(model_dir):
    return 1


def predict_fn(data, model):
    return data
"""
# Runs inside; the images hold neither ss nor ps.
LOOK = """
import json, os, pathlib, stat, subprocess
def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.split(":")[1].split() for line in lines}
mine = os.getpid()
pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != mine]
tables = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}").readlines()[1:]]
run = next(pathlib.Path("/tmp").glob("mlberth-serve-*"))
modes = [path.lstat().st_mode for path in pathlib.Path("/tmp").rglob("*") if not path.is_symlink()]
home = pathlib.Path.home()
argv = ["nginx", "-e", "stderr", "-T", "-p", f"{run}/", "-c", f"{run}/nginx.conf"]
conf = subprocess.run(argv, capture_output=True, text=True)
print(json.dumps({
    "commands": [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in pids],
    "users": sorted({user for pid in pids for user in status(pid)["Uid"]}),
    "capabilities": sorted({status(pid)[name][0] for pid in pids for name in ("CapEff", "CapPrm", "CapBnd")}),
    "listening": [int(row[1].split(":")[1], 16) for row in tables if row[3] == "0A"],
    "udp": [line for name in ("udp", "udp6", "raw") for line in open(f"/proc/net/{name}").readlines()[1:]],
    "sockets": [oct(mode & 0o777) for mode in modes if stat.S_ISSOCK(mode)],
    "folder": oct(run.stat().st_mode & 0o777),
    "home": [str(path) for path in home.glob(".gunicorn*")],
    "nginx": conf.stdout,
}))
"""


@pytest.fixture(scope="module")
def server(engine: Engine, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Run a handler as nobody, with a read-only root, no capability and no network."""
    folder = tmp_path_factory.mktemp("hardened")
    (folder / "code").mkdir()
    (folder / "code/inference.py").write_text(HANDLER)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    mount = f"--volume={folder}:/opt/ml/model:ro"
    options = [*HARDENED, mount, f"--env=DATABASE_PASSWORD={CANARY}", "--env=SAGEMAKER_ACCESS_LOG=true"]
    container = engine.start(image("serve", "base"), options=options)
    wait_until(lambda: container.execute("mlberth", "health").returncode == 0, timeout=120)
    yield container
    assert container.stop() == 0
    assert CANARY not in container.logs()


@pytest.fixture(scope="module")
def seen(server: Container) -> Seen:
    """Return what can be seen inside of the server, its processes and its files."""
    done = server.execute("python", "-c", LOOK)
    assert done.returncode == 0, done.stderr
    found: Seen = json.loads(done.stdout)
    return found


def test_s01_s02_nobody_with_nothing_serves(seen: Seen) -> None:
    """No process is root's or has a capability, or could come to have one."""
    assert seen["users"] == ["12345"]
    assert seen["capabilities"] == ["0" * 16]


def test_s03_one_listener(seen: Seen) -> None:
    """One TCP port and no other; gunicorn's socket is for its own user, in a folder of its own."""
    assert seen["listening"] == [8080]
    assert seen["udp"] == []
    assert seen["sockets"] in (["0o700"], ["0o600"])
    assert seen["folder"] == "0o700"


def test_s04_no_control_socket(seen: Seen) -> None:
    """The only socket of gunicorn's is the one that it serves on, and it has no folder at home."""
    assert len(seen["sockets"]) == 1
    assert seen["home"] == []


def test_s05_nginx_has_none_of_the_risky_directives(seen: Seen) -> None:
    """The whole configuration, as the running nginx has it."""
    directives = {line.split()[0] for line in seen["nginx"].splitlines() if line.split()}
    assert "proxy_pass" in directives
    assert not directives & {"rewrite", "map", "ssi", "slice", "uwsgi_pass", "scgi_pass", "alias", "perl"}
    assert "server_tokens off;" in seen["nginx"]


def test_s13_no_secret_is_in_the_commands(seen: Seen) -> None:
    """What `ps` shows holds no value of the environment."""
    assert any("mlberth_serve" in command for command in seen["commands"])
    assert CANARY not in "".join(seen["commands"]) + str(seen["nginx"])


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", KINDS)
def test_s13_no_secret_is_in_an_image(kind: str, flavour: str, engine: Engine, image: Image) -> None:
    """History, labels and variables hold nothing that looks like a credential, nor where it was built."""
    name = image(kind, flavour)
    told = engine.command("history", "--no-trunc", name).stdout + engine.command("inspect", name).stdout
    told = re.sub(r'"GraphDriver".*?"Name"', "", told, flags=re.DOTALL)
    assert masked_text(told) == told
    assert str(ROOT) not in told
    assert "PIP_INDEX" not in told
