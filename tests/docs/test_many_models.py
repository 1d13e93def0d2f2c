"""The page about many models: its example does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from tests.docs.commands import ROOT
from tests.serve.models import ModelsServer
from tests.serve.running import require_nginx


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """A model is loaded, listed, asked and unloaded by the code as it is written."""
    require_nginx()
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/many-models.md").read_text(), re.DOTALL)
    rows, labels = load_iris(return_X_y=True)
    server = ModelsServer(tmp_path)
    folder = server.models / "churn" / "model"
    folder.mkdir(parents=True)
    joblib.dump(LogisticRegression(max_iter=1000).fit(rows, labels), folder / "model.joblib")
    with server:
        server.wait_ready()
        places = {"SERVER": f"http://127.0.0.1:{server.port}", "MODELS": str(server.models)}
        argv = [sys.executable, "-c", code]
        run = subprocess.run(argv, env=os.environ | places, capture_output=True, text=True, check=True)
    listed, predicted, unloaded = run.stdout.splitlines()
    assert "churn" in listed
    assert predicted == "[0]"
    assert unloaded == "{'status': 'Model \"churn\" unregistered'}"
