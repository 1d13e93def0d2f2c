"""Parameter servers beside workers; a package of the same calls stands in for TensorFlow, which is large."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import is_alive
from tests.train.hosts import HostGroup
from tests.train.programs import TENSORFLOW

PROGRAM = """
import os, pathlib, time
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
while not (model / "server").exists() or not (model / "server").read_text():
    time.sleep(0.01)
(model / "config.json").write_text(os.environ["TF_CONFIG"])
print("done")
"""


def test_each_host_has_a_server_as_long_as_the_program_runs(tmp_path: Path) -> None:
    """Both know their place in the cluster, and no server outlives the job."""
    (tmp_path / "library/tensorflow").mkdir(parents=True)
    (tmp_path / "library/tensorflow/__init__.py").write_text(TENSORFLOW)
    group = HostGroup(tmp_path, 2, hyperparameters={"sagemaker_parameter_server_enabled": "true"})
    hosts = group.code(train__py=PROGRAM).train(PYTHONPATH=str(tmp_path / "library"))
    assert [(host.code, host.out) for host in hosts] == [(0, "[rank 0] done\n"), (0, "[rank 1] done\n")], (
        hosts
    )
    first, second = group.names
    cluster = {
        "master": [f"{first}:2222"],
        "ps": [f"{first}:2223", f"{second}:2223"],
        "worker": [f"{second}:2222"],
    }
    for number, tree in enumerate(group.trees):
        config = json.loads((tree.layout.model / "config.json").read_text())
        task = {"index": 0, "type": "worker" if number else "master"}
        assert config == {"cluster": cluster, "environment": "cloud", "task": task}
        pid, *server = (tree.layout.model / "server").read_text().split(maxsplit=3)
        assert server == ["ps", str(number), "{'GPU': 0}"]
        assert not is_alive(int(pid))
