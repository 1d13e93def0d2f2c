"""A job held to what its program says that it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.train.running import Tree

SPECIFICATION = {
    "SupportedHyperParameters": [
        {
            "Name": "epochs",
            "Type": "Integer",
            "IsRequired": True,
            "Range": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "100"}},
        },
        {
            "Name": "rate",
            "Type": "Continuous",
            "DefaultValue": "0.1",
            "Range": {"ContinuousParameterRangeSpecification": {"MinValue": "0", "MaxValue": "1"}},
        },
        {
            "Name": "depth",
            "Type": "Categorical",
            "DefaultValue": "3",
            "Range": {"CategoricalParameterRangeSpecification": {"Values": ["3", "auto", "true"]}},
        },
        {"Name": "api_key", "Type": "Integer"},
        {"Name": "note", "Type": "FreeText"},
    ],
    "TrainingChannels": [
        {
            "Name": "training",
            "IsRequired": True,
            "SupportedInputModes": ["File"],
            "SupportedContentTypes": ["text/csv"],
        },
        {"Name": "validation", "SupportedInputModes": ["File", "Pipe"], "SupportedContentTypes": []},
    ],
    "SupportsDistributedTraining": False,
}
NAME = {"SAGEMAKER_TRAINING_SPECIFICATION": "specification.json"}


@pytest.fixture
def job(tree: Tree) -> Tree:
    """Return a job that fits its program's specification."""
    tree.project("script").config(
        hyperparameters={"epochs": "3", "note": "any: text"},
        inputdataconfig={"training": {"TrainingInputMode": "File", "ContentType": "text/csv"}},
    )
    for name in ("training", "validation", "other"):
        tree.layout.channel(name).mkdir(parents=True)
    return write(tree, SPECIFICATION)


def write(tree: Tree, specification: object) -> Tree:
    (tree.layout.code / "specification.json").write_text(json.dumps(specification))
    return tree


def refused(tree: Tree, *words: str) -> None:
    """Run a job that has to be refused before its program runs, with these words."""
    run = tree.train(**NAME)
    assert (run.code, run.out) == (78, "")
    assert [word for word in words if word not in tree.failure] == []


def test_defaults_reach_the_program(job: Tree) -> None:
    """What the job leaves out has the value that the specification names, typed like any other."""
    assert job.train(**NAME).code == 0
    seen = job.seen()
    assert seen["argv"][1:] == ["--depth", "3", "--epochs", "3", "--note", "any: text", "--rate", "0.1"]
    assert json.loads(seen["environ"]["SM_HPS"])["rate"] == 0.1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "the hyperparameter epochs: found nothing; expected a value (Integer)"),
        ({"epochs": "0"}, "the hyperparameter epochs: found 0; expected a whole number from 1 to 100"),
        ({"epochs": "1.5"}, "found 1.5; expected a whole number"),
        ({"epochs": "true"}, "found True; expected a whole number"),
        ({"epochs": "3", "rate": "1.01"}, "rate: found 1.01; expected a number from 0 to 1"),
        ({"epochs": "3", "rate": "NaN"}, "rate: found nan; expected a number"),
        ({"epochs": "3", "depth": "4"}, "depth: found 4; expected one of 3, auto, true"),
        ({"epochs": "3", "epoch": "4"}, "the hyperparameter epoch: found a value; expected one of those"),
        ({"epochs": "3", "api_key": "canary"}, "the hyperparameter api_key: found '***'"),
    ],
)
def test_hyperparameter_that_is_not_taken_is_named(job: Tree, parameters: dict[str, str], words: str) -> None:
    """Missing, unknown, of another type or out of range: name, value and expectation are in the report."""
    job.config(hyperparameters=parameters)
    refused(job, words)


@pytest.mark.parametrize("parameters", [{"epochs": "1"}, {"epochs": "100", "rate": "1", "depth": "true"}])
def test_ends_of_a_range_are_taken(job: Tree, parameters: dict[str, str]) -> None:
    """A range includes its ends, a whole number is a number, and categories are compared as text."""
    job.config(hyperparameters=parameters)
    assert job.train(**NAME).code == 0


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({}, "the channel training: found nothing; expected data, which is required"),
        (
            {"training": {}, "other": {}},
            "the channel other: found data; expected one of those that there are",
        ),
        ({"training": {"TrainingInputMode": "Pipe"}}, "TrainingInputMode: found Pipe; expected File"),
        ({"training": {"ContentType": "text/xml"}}, "ContentType: found 'text/xml'; expected text/csv"),
    ],
)
def test_channel_that_is_not_taken_is_named(job: Tree, channels: dict[str, Any], words: str) -> None:
    """Missing, unknown, or in another mode or form."""
    job.config(inputdataconfig=channels)
    refused(job, words)


def test_all_faults_are_told_at_once(job: Tree) -> None:
    """One run names every fault, of hyperparameters, channels and hosts."""
    hosts = {"current_host": "a", "hosts": ["a", "b"]}
    job.config(hyperparameters={"epochs": "0"}, inputdataconfig={}, resourceconfig=hosts)
    refused(job, "hyperparameter epochs", "channel training", "2 hosts")


def parameter(kind: str, form: str, **limits: object) -> object:
    """Return a specification of one hyperparameter with a range."""
    entry = {"Name": "x", "Type": kind, "Range": {f"{form}ParameterRangeSpecification": limits}}
    return {"SupportedHyperParameters": [entry]}


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ({"SupportedHyperParameters": "epochs"}, "SupportedHyperParameters"),
        ({"TrainingChannels": [{}]}, "TrainingChannels"),
        ({"TrainingChannels": [{"Name": "x", "SupportedInputModes": 5}]}, "x, SupportedInputModes: found 5"),
        ({"SupportedHyperParameters": [{"Name": "x", "Type": "Number"}]}, "x, Type: found 'Number'"),
        ({"SupportedHyperParameters": [{"Name": "x", "Type": ["Integer"]}]}, "x, Type: found ['Integer']"),
        (parameter("Integer", "Integer", MinValue="one"), "x, Range: found {'IntegerParameterRange"),
        (parameter("Integer", "Integer", MinValue="9" * 5000), "x, Range: found {'IntegerParameterRange"),
        (parameter("Integer", "Integer", MaxValue=float("inf")), "x, Range: found {'IntegerParameterRange"),
        (parameter("Continuous", "Continuous", MinValue=[]), "x, Range: found {'ContinuousParameterRange"),
        (parameter("Categorical", "Categorical", Values=[0, "0"]), "x, Range: found {'Categorical"),
        (parameter("Categorical", "Categorical", Values="0"), "x, Range: found {'Categorical"),
    ],
)
def test_faulty_specification_is_named(job: Tree, specification: object, words: str) -> None:
    """What is wrong with the specification itself is told with its place."""
    refused(write(job, specification), "specification.json", words)


@pytest.mark.parametrize("name", ["gone.json", "x" * 300])
def test_specification_that_is_not_there_is_named(job: Tree, name: str) -> None:
    """A setting that leads nowhere is an error, and no silent lack of a check."""
    run = job.train(SAGEMAKER_TRAINING_SPECIFICATION=name)
    assert (run.code, f"SAGEMAKER_TRAINING_SPECIFICATION: found {name!r}" in run.err) == (78, True)


def test_limits_beyond_any_float_are_compared(job: Tree) -> None:
    """A whole number has as many digits as it likes, and so has its range."""
    write(job, parameter("Integer", "Integer", MinValue="1" * 400, MaxValue="2" * 400))
    job.config(hyperparameters={"x": "1" * 399}, inputdataconfig={})
    refused(job, "x: found 111", "expected a whole number from 111")
    job.config(hyperparameters={"x": "1" * 400})
    assert job.train(**NAME).code == 0
