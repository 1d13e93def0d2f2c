"""Metrics as lines that simple regular expressions match."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth.errors import ContractError
from mlberth.metrics.lines import to_line, to_numbers, to_text

COMMON = (r"loss=(.*?);", r"loss=([0-9\.]+)", r"loss=([-+]?[0-9]*\.?[0-9]+)")


@pytest.mark.parametrize("regex", COMMON)
@pytest.mark.parametrize("value", [0.3, 7, 1e-5, 123456789.125, 0.1 + 0.2])
def test_common_regexes_find_the_whole_number(regex: str, value: float) -> None:
    """An exponent would be cut off by most of those that people write."""
    match = re.search(regex, to_line({"loss": value}, 7))
    assert match
    assert float(match[1]) == value


def test_a_line() -> None:
    """The step first, then the metrics in their order."""
    assert to_line({"loss": 0.3, "auc": 1}, 7) == "metrics: step=7; loss=0.3; auc=1;"
    assert to_line({"loss": float("nan")}, None) == "metrics: loss=nan;"


@given(st.floats(allow_nan=False))
def test_text_is_the_number(value: float) -> None:
    """To the last bit."""
    assert float(to_text(value)) == value


class Holder:
    """A tensor of one number, as far as we look at it."""

    def item(self) -> float:
        """Return the number."""
        return 0.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, 1),
        (2**70, float(2**70)),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 2), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([[0.5]]), 0.5),
        (np.bool_(True), 1),
        (Holder(), 0.5),
    ],
)
def test_what_counts_as_a_number(value: Any, expected: float) -> None:
    """Numbers of any library, and what holds one."""
    number = to_numbers({"x": value})["x"]
    assert number == expected
    assert type(number) in (int, float)


class Rude:
    """Something whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0.3", "str '0.3'"),
        (None, "NoneType None"),
        ([0.3], r"list \[0.3\]"),
        (np.ones(2), r"ndarray array\(\[1., 1.\]\)"),
        (1j, "complex 1j"),
        (np.str_("1"), "str_"),
        (b"1", "bytes b'1'"),
        (10**400, "int 1000"),
        ("x" * 100, "str 'x{59}…"),
        (Rude(), "Rude"),
    ],
)
def test_what_is_no_number(value: object, found: str) -> None:
    """One message that names the metric, what it was given, and what to pass."""
    with pytest.raises(ContractError, match=f"'loss': found {found}.*; expected a number. Pass one number"):
        to_numbers({"loss": value})


def test_all_faults_at_once() -> None:
    """Names, values and the step."""
    bad = {"a b": 1, "a=b": 1, "a;b": 1, "": 1, "host": 1, "\x1b[2J": 1, "loss": "x", "fine": 1}
    with pytest.raises(ContractError) as caught:
        to_numbers(bad, 1.5)
    assert len(caught.value.faults) == 8
    with pytest.raises(ContractError, match="found nothing; expected at least one metric"):
        to_numbers({})
