"""The published SageMaker SDKs, unmodified, drive the images in their local modes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.peers import python_with
from tests.support import free_port

CLIENTS = Path(__file__).parent / "clients"
PROJECT = ROOT / "tests/projects/sklearn_job"
# The two cannot be installed together, nor beside us: each has a virtual environment of its own. Of the
# packages of SDK 3.27.0, the one that trains: the others bring gigabytes that no test touches.
REQUIREMENTS = {"v2": "sagemaker==2.257.7", "v3": "sagemaker-train==1.27.0"}
OPT_OUT = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project, its data, and room for what the SDK writes."""
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "root").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/data.csv").write_text("0,0,0\n0,1,0\n1,8,9\n1,9,9\n")
    return tmp_path


@pytest.fixture
def left_behind(engine: Engine) -> Iterator[None]:
    """Remove the containers that the SDK leaves on its network."""

    def containers() -> set[str]:
        found = engine.command("ps", "--all", "--quiet", "--filter", "network=sagemaker-local")
        return set(found.stdout.split())

    before = containers()
    yield
    if new := containers() - before:
        engine.command("rm", "--force", "--volumes", *new)


def drive(version: str, case: str, folder: Path, *arguments: str) -> str:
    """Run a client to its end; returns what it and the containers wrote."""
    config = folder / "config.yaml"
    config.write_text(OPT_OUT)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
    }
    done = subprocess.run(
        [python_with(REQUIREMENTS[version]), CLIENTS / f"{version}.py", case, folder, *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output[-6000:]
    return output


def train_here(engine: Engine, image: str, folder: Path) -> None:
    """Make output/model.tar.gz as a training job would have left it."""
    (folder / "output").mkdir()
    mounts = [f"--volume={folder}/{name}:/{name}" for name in ("project", "data", "output")]
    env = ["--env=SM_CHANNEL_TRAINING=/data", "--env=SM_MODEL_DIR=/output"]
    done = engine.run(image, "python", "/project/train.py", "--strength", "1", options=[*mounts, *env])
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / "output/model.tar.gz", "w:gz") as archive:
        archive.add(folder / "output/model.joblib", "model.joblib")


@pytest.mark.usefixtures("left_behind")
def test_v2_estimator_trains_and_deploys(folder: Path, image: Image) -> None:
    """fit() runs local code; deploy() then gives the model alone, and the framework's default serves it."""
    output = drive("v2", "estimator", folder, str(free_port()), image("serve", "sklearn"))
    assert "trained with strength 2.5" in output
    assert json.loads((folder / "answer.json").read_text()) == [0, 1]


@pytest.mark.usefixtures("left_behind")
def test_v2_model_serves_in_script_mode(folder: Path, engine: Engine, image: Image) -> None:
    """Model(entry_point=…) serves with the handler that it names."""
    train_here(engine, image("serve", "sklearn"), folder)
    drive("v2", "script_mode", folder, str(free_port()), image("serve", "sklearn"))
    assert json.loads((folder / "answer.json").read_text()) == ["no", "yes"]


@pytest.mark.usefixtures("left_behind")
def test_v2_transformer_predicts_a_file(folder: Path, engine: Engine, image: Image) -> None:
    """A transform job asks for each line, and its output has a line for each."""
    train_here(engine, image("serve", "sklearn"), folder)
    drive("v2", "transformer", folder, str(free_port()), image("serve", "sklearn"))
    assert json.loads((folder / "answer.json").read_text()) == ["[0.0]\n[1.0]\n"]


@pytest.mark.usefixtures("left_behind")
def test_v3_driver_starts_the_source_code(folder: Path, image: Image) -> None:
    """ModelTrainer's own driver, which replaces our entry point, finds all that it needs in the image."""
    output = drive("v3", "source_code", folder, image("train", "sklearn"))
    assert "trained with strength 2.5" in output
    assert (folder / "root/model/model.joblib").exists()


@pytest.mark.usefixtures("left_behind")
def test_v3_trains_with_the_images_own_code(folder: Path, engine: Engine, image: Image) -> None:
    """ModelTrainer without source code gives no command, and the image's default trains."""
    (folder / "project/Dockerfile").write_text(
        f"FROM {image('train', 'sklearn')}\nCOPY train.py /opt/ml/code/\nENV SAGEMAKER_PROGRAM=train.py\n"
    )
    output = drive("v3", "own_code", folder, engine.build(folder / "project", "mlberth-tests:own-code"))
    assert "trained with strength 2.5" in output
    assert (folder / "root/model/model.joblib").exists()
