"""XGBoost from its data to its answers: the real `train`, then the real `serve`, no code between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xgboost
from tests.serve.running import Server, require_nginx
from tests.train.running import ROOT, Tree

ABALONE = ROOT / "tests/projects/abalone"
# The request of the container's own tests.
ROW = b"10 1:2 2:0.645 3:0.515 4:0.15 5:1.212 6:0.515 7:0.2055 8:0.385"
VALUES = np.array([[np.nan, 2, 0.645, 0.515, 0.15, 1.212, 0.515, 0.2055, 0.385]])


_LONG = pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports XGBoost three times more")


@pytest.mark.parametrize("folds", [0, pytest.param(2, marks=_LONG)])
def test_a_model_serves_without_code(tmp_path: Path, folds: int) -> None:
    """One model is found by its name; those of cross-validation answer together, with the profile."""
    require_nginx()
    tree = Tree(tmp_path / "ml")
    tree.layout.data.mkdir(parents=True)
    tree.layout.channel("train").symlink_to(ABALONE / "train")
    given = {"num_round": "3", "nthread": "1"} | ({"_kfold": str(folds)} if folds else {})
    ended = tree.config(hyperparameters=given).train(SAGEMAKER_ALGORITHM="xgboost")
    assert ended.code == 0, ended.err
    names = [f"xgboost-model-{number}" for number in range(folds)] or ["xgboost-model"]
    files = [tree.layout.model / name for name in names]
    models = [xgboost.Booster(model_file=bytearray(file.read_bytes())) for file in files]
    expected = np.mean([model.predict(xgboost.DMatrix(VALUES)) for model in models])
    profile = {"SAGEMAKER_PROFILE": "xgboost"} if folds else {}
    environ = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "OMP_NUM_THREADS": "1", **profile}
    with Server(tmp_path, "mlberth_serve.wsgi:application", **environ) as server:
        server.wait_ready()
        headers = {"Content-Type": "text/libsvm", "Accept": "application/json"}
        answer = server.request("POST", "/invocations", ROW, headers)
        assert answer.status == 200, server.text
        found = json.loads(answer.body)
        score = found["predictions"][0]["score"] if folds else found[0]
        assert score == pytest.approx(expected, rel=1e-5)
