"""`train` and `serve` in containers, as `docker run` starts them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import HARDENED, ROOT, UNPRIVILEGED_ROOT, Container, Engine
from tests.support import wait_until

PROJECT = ROOT / "tests/projects/sklearn_job"
ROWS = "0,0,0\n0,1,0\n1,8,9\n1,9,9\n"
ASK = """
import sys, urllib.request
url = f"http://127.0.0.1:{sys.argv[1]}/invocations"
request = urllib.request.Request(url, b"9,9", {"Content-Type": "text/csv"})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""
COUNT = """
import sys
from pathlib import Path
lines = Path("/opt/ml/processing/input/rows/data.csv").read_text().split()
label = sys.argv[sys.argv.index("--label") + 1]
Path("/opt/ml/processing/output/count.txt").write_text(str(sum(line[0] == label for line in lines)))
sys.exit(5)
"""
USERS = {"root": (), "root without capabilities": UNPRIVILEGED_ROOT, "hardened": HARDENED}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree for /opt/ml with a program and its data, which any user may write to."""
    for folder in ("input/config", "input/data/training", "model", "output", "code"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("train.py", "inference.py"):
        (tmp_path / "code" / name).write_text((PROJECT / name).read_text())
    (tmp_path / "input/data/training/data.csv").write_text(ROWS)
    (tmp_path / "input/config/hyperparameters.json").write_text('{"strength": "2.5"}')
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return tmp_path


def mounted(tree: Path) -> list[str]:
    """Return the options that give a container its tree and its program."""
    return [f"--volume={tree}:/opt/ml", "--env=SAGEMAKER_PROGRAM=train.py"]


def wait_until_healthy(container: Container) -> None:
    """Wait until the image's own check of the container succeeds."""
    wait_until(lambda: container.execute("mlberth", "health").returncode == 0, timeout=60)


@pytest.mark.parametrize("user", USERS)
def test_train_then_serve(user: str, tree: Path, engine: Engine, image: Image) -> None:
    """The default commands train and serve, whatever the container is allowed, on the platform's port.

    What the program writes is its user's; SAGEMAKER_BIND_TO_PORT moves the server and the health check.
    """
    options, port, owner = USERS[user], "8080", (0, 0)
    if user == "hardened":
        port, owner = "9001", (12345, 12345)
    done = engine.run(image("train", "sklearn"), options=[*options, *mounted(tree)])
    assert done.returncode == 0, done.stderr
    assert "trained with strength 2.5" in done.stdout
    model = (tree / "model/model.joblib").stat()
    assert (model.st_uid, model.st_gid) == owner
    moved = [] if port == "8080" else [f"--env=SAGEMAKER_BIND_TO_PORT={port}"]
    server = engine.start(image("serve", "sklearn"), options=[*options, f"--volume={tree}:/opt/ml", *moved])
    wait_until_healthy(server)
    assert server.execute("python", "-c", ASK, port).stdout.strip() == '["yes"]'
    began = time.monotonic()
    assert server.stop() == 0, server.logs()
    assert time.monotonic() - began < 9  # the engine kills after 10 s


def test_serve_image_trains_too(tree: Path, engine: Engine, image: Image) -> None:
    """One image for both jobs; asked for its health, a container that trains says that nobody serves."""
    (tree / "code/train.py").write_text("import signal\nprint('training', flush=True)\nsignal.pause()\n")
    container = engine.start(image("serve", "sklearn"), "train", options=mounted(tree))
    wait_until(lambda: "training" in container.logs())
    health = container.execute("mlberth", "health")
    assert health.returncode == 1
    assert health.stdout.startswith("nobody serves on 127.0.0.1:8080")
    assert container.stop() == 143


@pytest.mark.parametrize("user", USERS)
def test_process(user: str, tmp_path: Path, engine: Engine, image: Image) -> None:
    """`process` runs a program on its inputs, with its arguments, and gives its exit code."""
    for name in ("input/code", "input/rows", "output"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "output").chmod(0o777)
    (tmp_path / "input/code/count.py").write_text(COUNT)
    (tmp_path / "input/rows/data.csv").write_text(ROWS)
    tmp_path.chmod(0o755)
    options = (*USERS[user], f"--volume={tmp_path}:/opt/ml/processing")
    done = engine.run(image("train", "base"), "process", "count.py", "--label", "1", options=options)
    assert done.returncode == 5, done.stderr
    assert (tmp_path / "output/count.txt").read_text() == "2"


PACKAGE = """
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "vlm-eval"
version = "0.1"
[tool.setuptools]
packages = ["vlm_eval"]
"""
LINES = {
    "copied without a slash": "COPY train.py /opt/ml/code\nENV SAGEMAKER_PROGRAM=train.py",
    "an absolute path": "COPY . /opt/program\nENV SAGEMAKER_PROGRAM=/opt/program/train.py",
    "the working folder": "WORKDIR /opt/program\nCOPY . .\nENV SAGEMAKER_PROGRAM=train.py",
    "a package that no index is there for": "COPY . /opt/ml/code\nENV SAGEMAKER_PROGRAM=train.py",
    "a program of its own": "COPY train /opt/program/\nENV PATH=/opt/program:$PATH",
}


@pytest.mark.parametrize("name", LINES)
def test_places_of_code_in_images(name: str, engine: Engine, image: Image, tmp_path: Path) -> None:
    """What people write into their Dockerfile runs, without a network."""
    (tmp_path / "vlm_eval").mkdir()
    (tmp_path / "vlm_eval/__init__.py").touch()
    (tmp_path / "train.py").write_text("print('ran')")
    if "package" in name:
        (tmp_path / "pyproject.toml").write_text(PACKAGE)
    (tmp_path / "train").write_text(
        "#!/usr/bin/env python\nfrom sagemaker_training import environment\nprint('ran')"
    )
    (tmp_path / "train").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(f"FROM {image('train', 'base')}\n{LINES[name]}\n")
    built = engine.build(tmp_path, "mlberth-tests:places")
    done = engine.run(built, "train", options=["--network=none", "--env=PIP_RETRIES=0"])
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


def test_serve_that_links_its_logs(engine: Engine, image: Image, tmp_path: Path) -> None:
    """The bring-your-own-container sample's `serve` links nginx's logs to standard output."""
    folder = "/var/log/nginx"
    links = f"ln -sf /dev/stdout {folder}/access.log && ln -sf /dev/stderr {folder}/error.log && nginx -t"
    done = engine.run(image("serve", "base"), "sh", "-c", links)
    assert done.returncode == 0, done.stderr


def test_run_with_a_folder_is_a_job_of_the_platform(engine: Engine, image: Image) -> None:
    """The platform is not in the images: the error says what to install."""
    done = engine.run(image("train", "base"), "train", "/opt/ml/code", "--image", "base")
    assert done.returncode == 69, done.stdout + done.stderr
    assert 'pip install "mlberth[local]"' in done.stderr
    done = engine.run(image("train", "base"), "train", "--help")
    assert done.stdout.startswith("usage: train [--explain")
