"""A pipeline of Kubeflow Pipelines on this machine: its local runner starts our images, unmodified."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import Engine
from tests.peers import python_with

PIPELINE = """
import sys
from kfp import dsl, local

IMAGE = sys.argv[1]
local.init(runner=local.DockerRunner(), pipeline_root=sys.argv[2])
SCRIPT = '''mkdir -p "$(dirname "$0")" /opt/ml/model
printf 'import pathlib; pathlib.Path("/opt/ml/model/model.txt").write_text("learnt")' > /opt/ml/code/train.py
mlberth push /opt/ml/model/model.txt "file://$(dirname "$0")" -- train
mv "$(dirname "$0")/model.txt" "$0"'''

@dsl.container_component
def fit(model: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-euc"], args=[SCRIPT, model])

@dsl.container_component
def report(model: str, text: dsl.OutputPath(str)):
    script = 'mkdir -p "$(dirname "$1")"; echo "the model has $0" > "$1"'
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-euc"], args=[script, model, text])

@dsl.pipeline
def both() -> str:
    return report(model=fit().outputs["model"]).outputs["text"]

print("RESULT", both().output)
"""


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="installs kfp, 120 MB")
def test_two_steps(engine: Engine, image: Image, tmp_path: Path) -> None:
    """The first step trains, and the second one gets what it has left."""
    script = tmp_path / "pipeline.py"
    script.write_text(PIPELINE)
    argv = [python_with("kfp[all]==2.17.3"), str(script), image("train", "base"), str(tmp_path / "root")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RESULT the model has learnt" in done.stdout
