"""Metrics found in the output of jobs."""

from __future__ import annotations

from mlberth_local.job_metrics.definitions import final, find
from mlberth_local.log_files import LogEvent

LOSS = [{"Name": "loss", "Regex": "loss=([^ ]+)"}]


def test_values_without_a_place_among_the_others() -> None:
    """A number that is none, or has no end, is no metric; the last one that is a number is the final one."""
    texts = ["0.5", "nan", "-inf", "1e999", "Infinity", "0.25", "NaN", "none"]
    found = find(LOSS, [LogEvent(number * 1000, f"loss={text}", 0) for number, text in enumerate(texts)])
    assert found == [("loss", 0.5, 0.0), ("loss", 0.25, 5.0)]
    assert final(found) == [{"MetricName": "loss", "Value": 0.25, "Timestamp": 5.0}]
