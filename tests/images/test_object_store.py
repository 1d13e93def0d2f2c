"""Code and outputs in S3, in the images as they are built: no package is installed first."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import Engine
from tests.images.test_sagemaker_sdk import CLIENTS, REQUIREMENTS
from tests.object_store import CREDENTIALS, ObjectStore, serving_objects
from tests.peers import python_with
from tests.support import free_port

TRAIN = """
import pathlib, sys
import helper

assert "botocore" not in sys.modules
try:
    import botocore
except ImportError:
    print("no botocore of ours")
pathlib.Path("/opt/ml/model/model.txt").write_text(helper.TEXT)
pathlib.Path("/opt/ml/output/intermediate/log.txt").write_text("step 1")
"""


HANDLER = """
def model_fn(model_dir):
    return 2


def predict_fn(data, model):
    return data * model
"""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """Serve a bucket on this machine."""
    with serving_objects() as serving:
        yield serving


def options(tree: Path, store: ObjectStore, **more: str) -> list[str]:
    """Return what a container needs to find its tree and the store."""
    variables = {**store.environ, "AWS_EC2_METADATA_DISABLED": "true", **more}
    environ = [f"--env={name}={value}" for name, value in variables.items()]
    return ["--network=host", f"--volume={tree}:/opt/ml", *environ]


@pytest.fixture(scope="module")
def address(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the archive that the SDK makes of a folder with a program and a handler."""
    folder = tmp_path_factory.mktemp("sdk") / "project"
    folder.mkdir()
    files = {"train.py": TRAIN, "helper.py": "TEXT = 'from the archive'\n", "inference.py": HANDLER}
    for name, text in files.items():
        (folder / name).write_text(text)
    python, program = python_with(REQUIREMENTS["v2"]), str(CLIENTS / "upload_v2.py")
    argv = [python, program, store.url, str(folder), "train.py"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **CREDENTIALS}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return str(done.stdout.split()[-2])


def test_job_of_the_sdk_fetches_its_code_and_copies_its_output(
    tmp_path: Path, store: ObjectStore, address: str, engine: Engine, image: Image
) -> None:
    """`sagemaker_submit_directory` is the SDK's own archive; intermediate output arrives in the bucket."""
    tree = tmp_path / "ml"
    (tree / "input/config").mkdir(parents=True)
    hyperparameters = {
        "sagemaker_submit_directory": json.dumps(address),
        "sagemaker_program": json.dumps("train.py"),
        "sagemaker_region": json.dumps("us-east-1"),
        "sagemaker_job_name": json.dumps("job"),
        "sagemaker_s3_output": json.dumps("s3://bucket/out"),
    }
    (tree / "input/config/hyperparameters.json").write_text(json.dumps(hyperparameters))
    done = engine.run(image("train", "base"), options=options(tree, store))
    assert done.returncode == 0, done.stderr
    assert "no botocore of ours" in done.stdout
    assert (tree / "model/model.txt").read_text() == "from the archive"
    assert store.read("out/job/output/intermediate/log.txt") == b"step 1"


def test_code_that_is_not_there_ends_the_job_with_the_stores_reason(
    tmp_path: Path, store: ObjectStore, engine: Engine, image: Image
) -> None:
    """A missing object is a fault of the job, not of a missing package."""
    code = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/gone.tar.gz"}
    done = engine.run(image("train", "base"), options=options(tmp_path, store, **code))
    assert done.returncode == 78
    assert "NoSuchKey" in done.stderr


def test_server_fetches_its_code(
    tmp_path: Path, store: ObjectStore, address: str, engine: Engine, image: Image
) -> None:
    """A serve image asks for its handler's code in the same way."""
    tree = tmp_path / "ml"
    (tree / "model").mkdir(parents=True)
    variables = {"SAGEMAKER_SUBMIT_DIRECTORY": address, "SAGEMAKER_PROGRAM": "inference.py"}
    done = engine.run(image("serve", "base"), "serve", "--explain", options=options(tree, store, **variables))
    assert done.returncode == 0, done.stderr
    port = free_port()
    server = engine.start(
        image("serve", "base"),
        options=options(tree, store, **variables, SAGEMAKER_BIND_TO_PORT=str(port)),
    )
    ask = (
        "import time, urllib.request as r\n"
        "for _ in range(300):\n"
        "    try:\n"
        f"        r.urlopen('http://127.0.0.1:{port}/ping'); break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
        f"url, headers = 'http://127.0.0.1:{port}/invocations', {{'Content-Type': 'application/json'}}\n"
        "print(r.urlopen(r.Request(url, b'[[1, 2]]', headers)).read().decode())\n"
    )
    assert server.execute("python", "-c", ask).stdout.strip() == "[[2,4]]", server.logs()
    assert server.stop() == 0
