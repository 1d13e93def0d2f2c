"""The last values, the objective, the plot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlberth_train.log import Log
from mlberth_train.metrics.summary import Last, summarize


def write(folder: Path, *records: dict[str, object]) -> Path:
    """Write a file of metrics."""
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_the_last_value_counts(tmp_path: Path) -> None:
    """As the platform takes it; one that was no number is passed over."""
    records: list[dict[str, object]] = [
        {"loss": 2, "step": 1},
        {"loss": 1, "step": 2},
        {"loss": None, "step": 3},
        {"auc": 0.5},
    ]
    found = summarize(write(tmp_path, *records), "loss", Log(100))
    assert found.values == {"loss": Last(1, 2), "auc": Last(0.5, None)}
    assert found.text == "objective loss = 1 at step 2"
    assert found.details() == {
        "objective": {"name": "loss", "value": 1, "step": 2},
        "metrics": {"loss": 1, "auc": 0.5},
    }
    assert (tmp_path / "metrics.svg").exists()


def test_an_objective_that_was_not_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A warning says which metrics there were, and what to do."""
    found = summarize(write(tmp_path, {"loss": 1}), "validation:auc", Log())
    assert found.text == ""
    assert found.details()["objective"] == {"name": "validation:auc", "value": None, "step": None}
    err = capfd.readouterr().err
    assert "WARNING mlberth_train: The objective metric 'validation:auc' was not found; the metrics" in err
    assert "that were: loss. Give it a regex in MetricDefinitions, or call mlberth.metrics.log" in err


def test_a_plot_that_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A warning, and the values all the same."""
    path = write(tmp_path, {"loss": 1})
    (tmp_path / "metrics.svg").mkdir()
    assert summarize(path, None, Log()).values == {"loss": Last(1, None)}
    assert "metrics.svg cannot be written: Is a directory" in capfd.readouterr().err
