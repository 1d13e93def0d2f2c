"""The images train without a program: XGBoost without a variable, the other algorithms by their names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.support import wait_until

ABALONE = ROOT / "tests/projects/abalone"
ASK = """
import urllib.request
url = "http://127.0.0.1:8080/invocations"
request = urllib.request.Request(url, b"0,0\\n9,9\\n", {"Content-Type": "text/csv"})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""


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


def test_algorithm_by_its_name(tmp_path: Path, engine: Engine, image: Image) -> None:
    """It trains in the image of scikit-learn, and its model is served, without code or a network."""
    for folder in ("input/config", "input/data/train", "model"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "input/data/train/rows.csv").write_text("0,0\n0,1\n9,8\n9,9\n")
    config = tmp_path / "input/config"
    (config / "hyperparameters.json").write_text(json.dumps({"k": "2", "feature_dim": "2"}))
    options = [f"--volume={tmp_path}:/opt/ml", "--network=none"]
    done = engine.run(image("train", "sklearn"), options=[*options, "--env=SAGEMAKER_ALGORITHM=kmeans"])
    assert done.returncode == 0, done.stderr
    assert "#quality_metric: host=" in done.stdout
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["algorithm.npz"]
    server = engine.start(image("serve", "sklearn"), options=options)
    wait_until(lambda: server.execute("mlberth", "health").returncode == 0, timeout=60)
    answer = json.loads(server.execute("python", "-c", ASK).stdout)
    first, last = (one["closest_cluster"] for one in answer["predictions"])
    assert {first, last} == {0.0, 1.0}
    assert [one["distance_to_cluster"] for one in answer["predictions"]] == [0.5, 0.5]
    assert server.stop() == 0
