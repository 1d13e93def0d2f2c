"""Hyperparameters: typed as JSON, and shared out by their names."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth.contract.hyperparameters import split, typed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("1e3", 1000.0),
        ("1e400", math.inf),
        ("Infinity", math.inf),
        ("1.10", 1.1),
        (" 5 ", 5),
        ("007", "007"),
        ("[1,2]", [1, 2]),
        ('"quoted"', "quoted"),
        ("plain", "plain"),
        ("", ""),
        (5, 5),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_typing(text: Any, value: Any) -> None:
    """A value is decoded where it is JSON and kept where it is not."""
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@given(JSON)
def test_typing_round_trip(value: Any) -> None:
    """Whatever is written as JSON text comes back as it was."""
    assert typed(json.dumps(value)) == value


def test_split() -> None:
    """The platform's names and the launchers' prefix never reach the user's program."""
    shares = split(
        {"epochs": 1, "sagemaker_program": "t.py", "sagemaker_x": 2, "_tuning_objective_metric": "acc"}
    )
    assert (shares.user, shares.framework) == ({"epochs": 1}, {"sagemaker_x": 2})
    assert shares.platform == {"sagemaker_program": "t.py", "_tuning_objective_metric": "acc"}
