"""A job's hyperparameters against a table."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth.contract.hyperparameters import typed
from mlberth.errors import Fault
from mlberth_train.algorithms.hyperparameters import (
    CATEGORICAL,
    CONTINUOUS,
    INTEGER,
    LIST,
    NESTED,
    TEXT,
    TUPLE,
    Hyperparameter,
    checked,
)

TABLE = (
    Hyperparameter("rounds", INTEGER, range="[1, inf)", required=True),
    Hyperparameter("eta", CONTINUOUS, range="(0, 1]", default=0.3, aliases=("learning_rate",)),
    Hyperparameter("batch", INTEGER, range="[1, inf)", choices=("auto",)),
    Hyperparameter("save", CATEGORICAL, choices=("true", "false")),
    Hyperparameter("note", TEXT),
    Hyperparameter("metrics", LIST, choices=("rmse", "auc")),
    Hyperparameter("signs", TUPLE, choices=(-1, 0, 1)),
    Hyperparameter("groups", NESTED, range="[0, inf)"),
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rounds", "7", 7),
        ("rounds", "7.0", 7),
        ("rounds", "007", 7),
        ("eta", "1e-3", 0.001),
        ("eta", "1", 1.0),
        ("batch", "auto", "auto"),
        ("batch", "5", 5),
        ("save", "true", "true"),
        ("note", "5", "5"),
        ("metrics", "auc, rmse", ["auc", "rmse"]),
        ("metrics", '["auc"]', ["auc"]),
        ("signs", "(1,-1)", (1, -1)),
        ("signs", "[1, 0]", (1, 0)),
        ("groups", "[[0, 2], [1]]", [[0, 2], [1]]),
    ],
)
def test_a_value_has_the_type_of_its_kind(name: str, text: str, value: Any) -> None:
    """A value is read from the platform's text, as the contract decodes it."""
    values, faults = checked(TABLE, {"rounds": 1, name: typed(text)})
    assert faults == []
    assert (values[name], type(values[name])) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rounds", "0", "a whole number in [1, inf)"),
        ("rounds", "1.5", "a whole number in [1, inf)"),
        ("rounds", "true", "a whole number in [1, inf)"),
        ("rounds", "many", "a whole number in [1, inf)"),
        ("rounds", "Infinity", "a whole number in [1, inf)"),
        ("rounds", "null", "a whole number in [1, inf)"),
        ("eta", "0", "a number in (0, 1]"),
        ("eta", "NaN", "a number in (0, 1]"),
        ("eta", "[1]", "a number in (0, 1]"),
        ("batch", "all", "a whole number in [1, inf), or auto"),
        ("save", "yes", "one of true, false"),
        ("metrics", "rmse,mae", "words with commas between them, of rmse, auc"),
        ("signs", "(1, 2)", "numbers in parentheses, such as (1, 0), of -1, 0, 1"),
        ("signs", "1", "numbers in parentheses, such as (1, 0), of -1, 0, 1"),
        ("signs", "(1, __import__('os'))", "numbers in parentheses, such as (1, 0), of -1, 0, 1"),
        ("groups", "[[-1]]", "lists of whole numbers in [0, inf) in a list, such as [[0, 2], [1, 3]]"),
        ("groups", "[1]", "lists of whole numbers in [0, inf) in a list, such as [[0, 2], [1, 3]]"),
    ],
)
def test_a_value_that_is_not_of_its_kind_is_a_fault(name: str, text: str, expected: str) -> None:
    """The fault names the hyperparameter, the value and what was expected; nothing is evaluated."""
    value = typed(text)
    values, faults = checked(TABLE, {"rounds": 1, name: value})
    assert faults == [Fault(f"the hyperparameter {name}", repr(value), expected)]
    assert name not in values


def test_all_faults_come_at_once() -> None:
    """Unknown, missing, doubled and wrong values, and those that do not go together, are one list."""
    given = {"learning_rate": 0.1, "eta": 0.2, "save": "maybe", "metric": "rmse"}
    _, faults = checked(TABLE, given, lambda values: [Fault("rules", ", ".join(values), "")])
    assert [fault.where for fault in faults] == [
        "the hyperparameter metric",
        "the hyperparameter rounds",
        "the hyperparameters eta and learning_rate",
        "the hyperparameter save",
        "rules",
    ]
    assert faults[0].action == "Did you mean metrics?"


def test_a_long_table_is_not_listed() -> None:
    """The failure file has room for other faults."""
    table = tuple(Hyperparameter(f"name-{number}", INTEGER) for number in range(20))
    _, (fault,) = checked(table, {"unknown": 1})
    assert str(fault) == (
        "the hyperparameter unknown: found a value; expected one of those that there are "
        "(`mlberth algorithms NAME` lists them)."
    )


def test_an_alias_and_a_default() -> None:
    """A value comes under the hyperparameter's own name, and one with a default is always there."""
    assert checked(TABLE, {"rounds": 1, "learning_rate": 0.1}) == ({"rounds": 1, "eta": 0.1}, [])
    assert checked(TABLE, {"rounds": 1}) == ({"rounds": 1, "eta": 0.3}, [])


def test_a_secret_is_not_shown() -> None:
    """The value of a hyperparameter whose name says that it is a secret is masked."""
    table = (Hyperparameter("api_token", INTEGER),)
    _, faults = checked(table, {"api_token": "hunter2"})
    assert "hunter2" not in str(faults)
