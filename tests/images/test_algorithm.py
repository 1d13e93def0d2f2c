"""The image of the flavour xgboost trains without a program, and without a variable."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine

ABALONE = ROOT / "tests/projects/abalone"


def test_train_without_a_program(tmp_path: Path, engine: Engine, image: Image) -> None:
    """The platform's XGBoost job leaves its model; the base image has no algorithm for it."""
    shutil.copytree(ABALONE, tmp_path / "input/data")
    (tmp_path / "input/config").mkdir()
    (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps({"num_round": "3"}))
    options = [f"--volume={tmp_path}:/opt/ml"]
    done = engine.run(image("train", "xgboost"), options=options)
    assert done.returncode == 0, done.stderr
    assert "[2]\ttrain-rmse:" in done.stdout
    listed = engine.run(image("train", "xgboost"), "ls", "/opt/ml/model", options=options)
    assert listed.stdout == "xgboost-model\n"
    done = engine.run(image("train", "base"), options=options)
    assert done.returncode == 78
    assert "SAGEMAKER_ALGORITHM, such as xgboost" in done.stderr
