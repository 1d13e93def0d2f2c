"""Tests of the trees of metric math."""

from __future__ import annotations

import random

import pytest

from mlberth_local.alarms.expressions import ExpressionError, parse
from mlberth_local.alarms.metric_math import Scope, check, evaluate


def value_of(text: str) -> object:
    """Return what an expression without metrics is."""

    def unknown(name: str) -> float:
        raise AssertionError(name)

    return evaluate(parse(text), Scope(unknown, (), (), 60.0, lambda _: []))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 * 3 ^ 2", 18),
        ("-2 ^ 2", -4),
        ("-2 * -3", 6),
        ("10 - 4 - 3", 3),
        ("1 < 2 && 3 < 2 || 1 == 1", 1),
        ("1 >= 2 OR 0", 0),
        ("IF(2 > 1, 5, 6)", 5),
        ("abs(-3) + 1e2", 103),
        (".5 * 4", 2),
    ],
)
def test_operators_bind_as_in_arithmetic(text: str, value: float) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("seed", range(5))
def test_random_expressions_against_python(seed: int) -> None:
    """Sums and products of random numbers are what Python makes of them."""
    source = random.Random(seed)

    def term(depth: int) -> str:
        if depth == 0 or source.random() < 0.3:
            return str(source.randint(1, 9))
        inner = f"{term(depth - 1)} {source.choice('+-*/')} {term(depth - 1)}"
        return f"({inner})" if source.random() < 0.5 else inner

    for _ in range(100):
        text = term(4)
        try:
            expected = eval(text)
        except ZeroDivisionError:
            continue
        found = value_of(text)
        assert isinstance(found, float)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("m1 +", "Found the end"),
        ("m1 m2", "Found m2"),
        ("(m1", r"expected \)"),
        ("m1 $ 2", r"Found '\$'"),
        ("SUM(m1", "expected ,"),
        ("(" * 100 + "1" + ")" * 100, "nested more than 40"),
        ("SEARCH('{A}', 'Sum')", "The function SEARCH is not carried out here; these are: SUM"),
        ("ABS(m1, m2)", "ABS: found 2 arguments"),
    ],
)
def test_faults(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        check(parse(text))
