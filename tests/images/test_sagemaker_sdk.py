"""The published SageMaker SDKs, unmodified, drive the images in their local modes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.peers import SDK_V2, SDK_V3, offline_environ, python_with
from tests.support import free_port

CLIENTS = Path(__file__).parent / "clients"
PROJECT = ROOT / "tests/projects/sklearn_job"
REQUIREMENTS = {"v2": SDK_V2, "v3": SDK_V3}
OPT_OUT = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project, its data, and room for what the SDK writes."""
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("root", "source_code", "own_code"):
        (tmp_path / name).mkdir()
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


def drive(version: str, folder: Path, *arguments: str) -> str:
    """Run a client to its end; returns what it and the containers wrote."""
    config = folder / "config.yaml"
    config.write_text(OPT_OUT)
    environ = offline_environ(folder) | {"SAGEMAKER_USER_CONFIG_OVERRIDE": str(config)}
    done = subprocess.run(
        [python_with(REQUIREMENTS[version]), CLIENTS / f"{version}.py", folder, *arguments],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output[-6000:]
    return output


@pytest.mark.usefixtures("left_behind")
def test_v2_trains_deploys_and_transforms(folder: Path, image: Image) -> None:
    """The estimator's model is served alone, in a transform, and with the handler of `Model(entry_point=…)`.

    fit() runs local code; deploy() gives the model alone, and the framework's default serves it. A transform
    job asks for each line, and its output has a line for each.
    """
    cases = ("estimator", "transformer", "script_mode")  # the last packs its handler into the model
    output = drive("v2", folder, str(free_port()), image("serve", "sklearn"), *cases)
    assert "trained with strength 2.5" in output
    assert json.loads((folder / "answers.json").read_text()) == {
        "estimator": [0, 1],
        "transformer": ["[0.0]\n[1.0]\n"],
        "script_mode": ["no", "yes"],
    }


@pytest.mark.usefixtures("left_behind")
def test_v3_trains(folder: Path, engine: Engine, image: Image) -> None:
    """ModelTrainer trains by its own driver, which replaces our entry point, and by the image's own code.

    The driver finds all that it needs in the image; without source code the SDK gives no command.
    """
    base = image("train", "sklearn")
    (folder / "project/Dockerfile").write_text(
        f"FROM {base}\nCOPY train.py /opt/ml/code/\nENV SAGEMAKER_PROGRAM=train.py\n"
    )
    output = drive("v3", folder, base, engine.build(folder / "project", "mlberth-tests:own-code"))
    assert output.count("trained with strength 2.5") >= 2
    for case in ("source_code", "own_code"):
        assert (folder / case / "model/model.joblib").exists()
