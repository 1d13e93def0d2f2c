"""Regular expressions on lines, each within its time."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator

import pytest

from mlberth_train.metrics.definitions import Definition
from mlberth_train.metrics.matching import Matcher


@pytest.fixture(autouse=True)
def _same_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGVTALRM)
    yield
    signal.signal(signal.SIGVTALRM, before)


def find(regex: str, *lines: str, name: str = "m", limit: float = 0.05) -> tuple[list[float], list[str]]:
    """Return what a regex finds, and the warnings."""
    warnings: list[str] = []
    matcher = Matcher([Definition(name, regex)], warnings.append, limit)
    return [value for line in lines for _, value in matcher.find(line)], warnings


@pytest.mark.parametrize(
    ("regex", "line", "expected"),
    [
        (r"loss=(.*?);", "step=3; loss=0.25; x", [0.25]),
        (r"loss: ([0-9.eE+-]+)", "loss: 1e-05", [1e-05]),
        (r"[0-9.]+", "0.5", [0.5]),
        (r"acc=(\d+)", "nothing", []),
        (r"a=(\d+) b=(\d+)", "a=1 b=2", [1.0]),
        (r"loss=( *\S+)", "loss=  3", [3.0]),
    ],
)
def test_the_first_group_is_the_number(regex: str, line: str, expected: list[float]) -> None:
    """Or the whole match, without a group."""
    assert find(regex, line) == (expected, [])


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_numbers_that_are_not_finite(text: str) -> None:
    """They are recorded as no number."""
    (value,), warnings = find("m=(.*)", f"m={text}")
    assert math.isnan(value)
    assert warnings == []


def test_what_is_no_number_is_told_once() -> None:
    """With what to do; later numbers count."""
    values, warnings = find("m=(.*)", "m=high", "m=low", "m=", "m=1")
    assert values == [1.0]
    assert warnings == [
        "The metric 'm': found 'high'; expected a number. Let the first group match the number alone."
    ]
    assert find("m=(x)?", "m=")[1][0].startswith("The metric 'm': found nothing")


@pytest.mark.parametrize("regex", [r"(a+)+$", r"(.*,){20}P", r"(x|x)*y|(a|a)*$"])
def test_a_regex_that_backtracks_for_ever(regex: str) -> None:
    """It is given up after its time, and the others go on."""
    warnings: list[str] = []
    matcher = Matcher([Definition("evil", regex), Definition("m", r"m=(\d)")], warnings.append, 0.05)
    line = "a" * 60 + "," * 60 + "x" * 60 + "a" * 60 + "! m=7"
    assert list(matcher.find(line)) == [("m", 7.0)]
    assert list(matcher.find("m=8")) == [("m", 8.0)]
    assert len(warnings) == 1
    assert "The regex of the metric 'evil' took more than 0.05 s for one line of" in warnings[0]


def test_a_regex_that_cannot_be_read() -> None:
    """It is left out, with the reason."""
    values, warnings = find("(", "x")
    assert values == []
    assert warnings[0].startswith("The regex of the metric 'm' cannot be read (missing ), unterminated")


def test_what_log_has_recorded_is_not_recorded_twice() -> None:
    """A line of mlberth.metrics.log has its own record, which has the step as well."""
    assert find("m=(.*?);", "metrics: step=1; m=0.5;") == ([], [])
    assert find("m=(.*?);", "[algo-1 rank 0] metrics: m=0.5;") == ([], [])
    assert find("loss=(.*?);", "metrics: step=1; loss=0.5;", name="train:loss") == ([0.5], [])
    assert find("m=(.*?);", "m=0.5;") == ([0.5], [])
