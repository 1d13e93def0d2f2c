"""Jobs of an algorithm, run in this process, and what they leave."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mlberth.channels import write_example, write_records
from mlberth.contract.environment import Environment
from mlberth_train.algorithms.registry import find_algorithm

RECORDIO = "application/x-recordio-protobuf"
_LINE = re.compile(r"#quality_metric: host=\S+,(?: epoch=(\d+),)? (\S+) (\S+) <(loss|score)>=(\S+)")


class Result(NamedTuple):
    """What a job has printed and left."""

    out: str
    arrays: dict[str, Any]
    description: dict[str, Any]

    def metric(self, name: str, split: str = "train") -> float:
        """Return the last number that was printed for a metric, but for those of epochs."""
        found = [match for match in _LINE.findall(self.out) if match[:3] == ("", split, name)]
        return float(found[-1][4])

    def epochs(self, name: str, split: str = "train") -> list[float]:
        """Return the number of a metric for each epoch."""
        return [
            float(match[4]) for match in _LINE.findall(self.out) if match[0] and match[1:3] == (split, name)
        ]


class Jobs:
    """Runs jobs below a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.base = folder / "ml"
        self._capsys = capsys

    def channel(self, name: str, data: Any, content_type: str = "text/csv") -> Jobs:
        """Write a channel: csv of rows, or recordio of (features, labels); bytes as they are."""
        folder = self.base / "input/data" / name
        folder.mkdir(parents=True)
        if isinstance(data, bytes):
            (folder / "part-0").write_bytes(data)
        elif content_type == RECORDIO:
            file = io.BytesIO()
            features, labels = data
            write_records(
                file,
                (
                    write_example(row, None if labels is None else float(labels[place]))
                    for place, row in enumerate(np.asarray(features, np.float32))
                ),
            )
            (folder / "part-0").write_bytes(file.getvalue())
        else:
            np.savetxt(folder / "part-0.csv", data, delimiter=",", fmt="%.9g")
        config = self.base / "input/config/inputdataconfig.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        channels = json.loads(config.read_text()) if config.exists() else {}
        channels[name] = {"TrainingInputMode": "File", "ContentType": content_type}
        config.write_text(json.dumps(channels))
        return self

    def train(self, algorithm: str, **hyperparameters: Any) -> Result:
        """Run an algorithm as `python -m mlberth_train.algorithms` does; hyperparameters are text there."""
        config = self.base / "input/config/hyperparameters.json"
        config.write_text(json.dumps({name: str(value) for name, value in hyperparameters.items()}))
        model = self.base / "model"
        model.mkdir(exist_ok=True)
        environ = {"SAGEMAKER_BASE_DIR": str(self.base)}
        found = find_algorithm(algorithm)
        found.train(found.read(Environment.from_environ(environ), environ))
        with np.load(model / "algorithm.npz") as file:
            arrays = dict(file)
        description = json.loads(arrays.pop("algorithm.json"))
        assert [path.name for path in model.iterdir()] == ["algorithm.npz"]
        assert description["algorithm"] == algorithm
        return Result(self._capsys.readouterr().out, arrays, description)


def labelled(features: Any, labels: Any) -> Any:
    """Return rows as csv has them: the label first."""
    return np.column_stack([labels, features])
