"""Where MetricDefinitions are read from, in which forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conftest import WriteConfig

from mlberth_train.metrics.definitions import Definition, read_definitions

LOSS = {"Name": "loss", "Regex": "loss=(.*?);"}


@pytest.mark.parametrize(
    "files",
    [
        {"metric-definition-regex": [LOSS]},
        {"metric-definition-regex": {"loss": "loss=(.*?);"}},
        {"metric-definition-regex": {"MetricDefinitions": [LOSS]}},
        {"trainingjobconfig": {"AlgorithmSpecification": {"MetricDefinitions": [LOSS]}}},
        {"trainingjobconfig": {"MetricDefinitions": [LOSS]}},
        {
            "metric-definition-regex": {},
            "trainingjobconfig": {"AlgorithmSpecification": {"MetricDefinitions": [LOSS]}},
        },
        {"metric-definition-regex": [LOSS, {"Name": "loss", "Regex": "second"}]},
    ],
)
def test_forms(write_config: WriteConfig, files: dict[str, Any]) -> None:
    """A list of Name and Regex, or regexes by name; of two with one name the first counts."""
    assert read_definitions(write_config(**files)) == ([Definition("loss", "loss=(.*?);")], [])


@pytest.mark.parametrize(
    "files",
    [{}, {"metric-definition-regex": []}, {"metric-definition-regex": {}}, {"trainingjobconfig": {}}],
)
def test_most_jobs_have_none(write_config: WriteConfig, files: dict[str, Any]) -> None:
    """The platform writes an empty file."""
    assert read_definitions(write_config(**files)) == ([], [])


def test_the_algorithm_may_define_them(write_config: WriteConfig) -> None:
    """A TrainingSpecification has MetricDefinitions; those of the job come first."""
    layout = write_config(**{"metric-definition-regex": [LOSS]})
    specification = layout.code / "specification.json"
    more = [{"Name": "loss", "Regex": "other"}, {"Name": "auc", "Regex": "auc=(.*)"}]
    specification.write_text(json.dumps({"MetricDefinitions": more}))
    definitions, _ = read_definitions(layout, specification)
    assert definitions == [Definition("loss", "loss=(.*?);"), Definition("auc", "auc=(.*)")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([{"Name": "loss"}], "found the metric 'loss'; expected objects with Name and Regex"),
        (["loss"], "found a str; expected"),
        ({"loss": 5}, "found the metric 'loss'"),
        ("[", "found broken JSON at line 1, column 2"),
        ("5", "found a number at the top"),
    ],
)
def test_problems_are_told(write_config: WriteConfig, content: Any, problem: str) -> None:
    """The job runs all the same."""
    definitions, problems = read_definitions(write_config(**{"metric-definition-regex": content}))
    assert definitions == []
    assert len(problems) == 1
    assert problem in problems[0]
