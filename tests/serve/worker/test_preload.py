"""What was loaded before a fork predicts after it, or is known not to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mlberth_serve.control.commands import gunicorn_environment

ROWS, LABELS = make_classification(4000, 20, random_state=0)

# The child ends itself by SIGALRM if it hangs, even inside C code; soon, if that is foreseen.
SCRIPT = """
import json, os, signal, sys
import numpy as np
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.worker.preload import why_not_fork
from mlberth_serve.settings import Settings

handler = load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": sys.argv[1]}))
rows = np.load(sys.argv[2])
predict = lambda: handler.predict_fn(rows, handler.model, Context())
for used in False, True:
    if used:
        predict()
    reason = why_not_fork()
    child = os.fork()
    if child == 0:
        signal.alarm(1 if reason else 10)
        predict()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(json.dumps({"reason": reason, "status": status}))
"""


def write_model(folder: Path, framework: str) -> None:
    """Write a model of a framework."""
    if framework == "torch":
        torch = pytest.importorskip("torch")
        layers = torch.nn.Sequential(torch.nn.Linear(20, 200), torch.nn.ReLU(), torch.nn.Linear(200, 2))
        torch.jit.trace(layers, torch.zeros(1, 20)).save(str(folder / "model.pt"))
    elif framework == "onnx":
        pytest.importorskip("onnxruntime")
        skl2onnx = pytest.importorskip("skl2onnx")
        exported = skl2onnx.to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS[:1].astype(np.float32))
        (folder / "model.onnx").write_bytes(exported.SerializeToString())
    elif framework == "xgboost":
        data = xgboost.DMatrix(ROWS, LABELS)
        xgboost.train({"objective": "binary:logistic"}, data, 5).save_model(folder / "model.ubj")
    else:
        model = LogisticRegression() if framework == "sklearn" else HistGradientBoostingClassifier(max_iter=5)
        joblib.dump(model.fit(ROWS, LABELS), folder / "model.joblib")


def fork(tmp_path: Path, framework: str, threads: int) -> list[dict[str, Any]]:
    """Load a model in a process and predict in forked children, before and after the process itself."""
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", framework)
    np.save(tmp_path / "rows.npy", ROWS)
    argv = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), str(tmp_path / "rows.npy")]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environ = gunicorn_environment(os.environ | dict.fromkeys(names, str(threads)))
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


FRAMEWORKS = ["sklearn", "sklearn-openmp", "xgboost", "torch", "onnx"]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_thread_can_be_forked(tmp_path: Path, framework: str) -> None:
    """With one thread, as `serve` sets it, a loaded model predicts in the forked child."""
    safe = {"reason": None, "status": 0}
    assert fork(tmp_path, framework, 1) == [safe, safe]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_threads_predict_or_are_seen(tmp_path: Path, framework: str) -> None:
    """With two threads the child predicts, or the rule of the master has told not to fork."""
    for result in fork(tmp_path, framework, 2):
        assert result["status"] == 0 or result["reason"], result
