"""A handler is trusted with batches only after it has predicted together what it predicts alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mlberth_serve.codecs.base import Decoded
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import Request
from mlberth_serve.inference.batching import Batches, is_same
from mlberth_serve.media_types import CSV, JSON, parse_content_type

Predict = Callable[[Any], Any]


class Steps:
    """Decodes arrays, predicts with a function, and hands the prediction on as it is."""

    def __init__(self, predict: Predict) -> None:
        self.function = predict
        self.calls: list[int] = []

    def decode(self, request: Request) -> Decoded:
        """Return the array that stands for a body."""
        return Decoded(request.body)

    def predict(self, data: Any, context: Context) -> Any:  # noqa: ARG002 - the protocol's
        """Call the function."""
        self.calls.append(len(data))
        return self.function(data)

    def encode(self, prediction: Any, envelope: str, context: Context) -> tuple[bytes, str]:  # noqa: ARG002
        """Return the prediction in words."""
        return repr(prediction).encode(), JSON


def ask(batches: Batches, arrays: Sequence[Any]) -> list[Any]:
    """Answer arrays as requests that have arrived together."""
    media_type = parse_content_type(CSV)
    requests = [Request(array, media_type, Context({}, "r", CSV, JSON)) for array in arrays]
    return batches.transform(requests, Context())


def answers_of(predict: Predict, rounds: int = 12, rows: Sequence[int] = (1, 1, 1)) -> tuple[Batches, Steps]:
    """Ask for batches of random rows, and compare each answer with that of the request alone."""
    steps = Steps(predict)
    batches = Batches(steps, reads_alike=False, writes_alike=False)
    chance = np.random.default_rng(5)
    for _ in range(rounds):
        arrays = [chance.normal(size=(count, 3)) for count in rows]
        together = ask(batches, [array.copy() for array in arrays])
        alone = [(repr(predict(array.copy())).encode(), JSON) for array in arrays]
        assert together == alone
    return batches, steps


TRUSTED: dict[str, Predict] = {
    "an array": lambda data: data * 2,
    "one number a row": lambda data: data.sum(axis=1),
    "a list of numbers": lambda data: [float(row[0]) for row in data],
    "a list of words": lambda data: ["yes" if row[0] > 0 else "no" for row in data],
    "a list of lists": lambda data: [[float(row[0]), 1] for row in data],
    "a list of maps": lambda data: [{"score": float(row[0])} for row in data],
    "what writes into its rows": lambda data: np.multiply(data, 2, out=data),
}
OF_ONE_ROW: dict[str, Predict] = {
    "another type for one row": lambda data: data[:, 0].astype("f4" if len(data) > 1 else "f8"),
    "another shape for one row": lambda data: data[:, 0] if len(data) > 1 else data[:, :1],
    "no dimension for one row": lambda data: np.squeeze(data[:, 0]),
    "an array for one row, a list for more": lambda data: data[:, 0] if len(data) == 1 else list(data[:, 0]),
}
NOT_TRUSTED: dict[str, Predict] = {
    "two outputs in a list": lambda data: [data * 10, data * 100],
    "two outputs in a tuple": lambda data: (data.mean(axis=1), data.std(axis=1)),
    "three outputs of one number a row": lambda data: [data[:, 0], data[:, 1], data[:, 2]],
    "outputs by name": lambda data: {"mean": data.mean(axis=1)},
    "a mean of the rows": lambda data: data - data.mean(axis=0),
    "a sum over the rows": lambda data: data.sum(axis=1) / data.sum(),
    "a sorted column": lambda data: np.sort(data[:, 0]),
    "a number for all": lambda data: float(data.sum()),
    **OF_ONE_ROW,
}


@pytest.mark.parametrize("name", TRUSTED)
@pytest.mark.parametrize("rows", [(1, 1, 1), (1, 3), (2, 2), (5, 1, 2)])
def test_predictions_by_row_are_trusted(name: str, rows: Sequence[int]) -> None:
    """They are shown equal at the first batch, now and then later, and share their calls in between."""
    batches, steps = answers_of(TRUSTED[name], rows=rows)
    assert not batches.refused
    assert steps.calls.count(sum(rows)) == 12
    assert len(steps.calls) == 12 + 5 * len(rows)  # shown at the calls 0, 1, 2, 4 and 8


@pytest.mark.parametrize("name", NOT_TRUSTED)
@pytest.mark.parametrize("rows", [(1, 1, 1), (1, 1), (2, 2), (1, 3), (3, 3, 3)])
def test_everything_else_is_not(name: str, rows: Sequence[int]) -> None:
    """Whatever the number of rows and outputs, each request gets what it would get alone, from the start."""
    batches, _ = answers_of(NOT_TRUSTED[name], rows=rows)
    if min(rows) == 1 or name not in OF_ONE_ROW:
        assert batches.refused
        assert not batches.joined


@pytest.mark.parametrize("name", OF_ONE_ROW)
def test_single_row_is_shown_by_itself(name: str) -> None:
    """What is the same for requests of two rows may be another thing for one: that is shown again."""
    batches, steps = answers_of(OF_ONE_ROW[name], rows=(2, 2))
    assert not batches.refused
    chance = np.random.default_rng(6)
    for _ in range(4):
        arrays = [chance.normal(size=(1, 3)) for _ in range(3)]
        assert ask(batches, arrays) == [(repr(steps.function(array)).encode(), JSON) for array in arrays]
    assert batches.refused


def test_rows_that_are_alike_are_shown_for_their_like_alone() -> None:
    """Equal rows cannot tell a mean of the rows from the row: as soon as others come, those are shown too."""
    steps = Steps(lambda data: data - data.mean(axis=0) if len(data) > 2 else data * 0)
    batches = Batches(steps, reads_alike=False, writes_alike=False)
    for _ in range(4):
        ask(batches, [np.ones((1, 3)), np.ones((1, 3))])
    assert steps.calls == [1, 1, 2, 1, 1, 2, 1, 1, 2, 2]  # shown at the calls 0, 1 and 2
    assert not batches.refused
    arrays = [np.full((1, 3), float(number)) for number in range(3)]
    assert ask(batches, arrays) == [(repr(array * 0).encode(), JSON) for array in arrays]
    assert batches.refused


@pytest.mark.parametrize("name", NOT_TRUSTED)
@pytest.mark.parametrize("rows", [(1, 1, 1), (1, 1), (2, 2), (1, 3)])
def test_rows_that_are_alike_get_what_each_gets_alone(name: str, rows: Sequence[int]) -> None:
    """Whatever a handler makes of them, also after other equal rows were shown."""
    predict = NOT_TRUSTED[name]
    batches = Batches(Steps(predict), reads_alike=False, writes_alike=False)
    chance = np.random.default_rng(8)
    for _ in range(12):
        row = chance.normal(size=(1, 3))
        arrays = [row.repeat(count, axis=0) for count in rows]
        alone = [(repr(predict(array.copy())).encode(), JSON) for array in arrays]
        assert ask(batches, [array.copy() for array in arrays]) == alone


def test_handler_that_changes_its_ways_is_found_out() -> None:
    """It is compared again and again, more and more seldom."""
    counter = itertools.count()
    steps = Steps(lambda data: data * 2 if next(counter) < 40 or len(data) == 1 else data * 3)
    batches = Batches(steps, reads_alike=False, writes_alike=False)
    chance = np.random.default_rng(1)
    for _ in range(64):
        ask(batches, [chance.normal(size=(1, 2)) for _ in range(3)])
    assert batches.refused


def test_each_kind_of_request_is_shown_by_itself() -> None:
    """A handler may be row by row for three columns, and not for two."""
    steps = Steps(lambda data: data * 2 if data.shape[1] == 3 else data - data.mean(axis=0))
    batches = Batches(steps, reads_alike=False, writes_alike=False)
    chance = np.random.default_rng(1)
    for _ in range(4):
        ask(batches, [chance.normal(size=(1, 3)) for _ in range(3)])
    assert not batches.refused
    rows = [chance.normal(size=(1, 2)) for _ in range(3)]
    assert [body for body, _ in ask(batches, rows)] == [repr(row - row).encode() for row in rows]
    assert batches.refused


def test_error_of_one_is_its_own() -> None:
    """A request that fails alone fails alone in the comparison too, and says nothing against the others."""

    def predict(data: Any) -> Any:
        if (data < 0).any():
            raise RequestError(422, "negative", "no")
        return data * 2

    batches = Batches(Steps(predict), reads_alike=False, writes_alike=False)
    for _ in range(6):
        found = ask(batches, [np.ones((1, 2)), np.full((1, 2), -1.0), np.full((1, 2), 3.0)])
        assert isinstance(found[1], RequestError)
        assert [found[0][0], found[2][0]] == [
            repr(np.ones((1, 2)) * 2).encode(),
            repr(np.full((1, 2), 6.0)).encode(),
        ]
    assert not batches.refused


def test_only_what_was_joined_counts_as_a_batch() -> None:
    """What was compared, failed, or came in two kinds, says nothing of the time that a batch takes."""
    batches = Batches(Steps(lambda data: data * 2), reads_alike=False, writes_alike=False)
    rows = [np.full((1, 2), float(number)) for number in range(3)]
    seen = []
    for _ in range(8):
        ask(batches, rows)
        seen.append(batches.joined)
    assert seen == [False, False, False, True, False, True, True, True]
    ask(batches, [*rows, np.ones((1, 3))])
    assert not batches.joined


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.array([1.0]), np.array([1.0 + 1e-12]), True),
        (np.array([1.0]), np.array([1.001]), False),
        (np.array([1.0], "f4"), np.array([1.00001], "f4"), True),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), True),
        (np.array([np.inf]), np.array([-np.inf]), False),
        (np.array([1]), np.array([1.0]), False),
        (np.array(["a"]), np.array(["a"]), True),
        ([1, "a"], [1, "a"], True),
        ([1], (1,), False),
        ({"a": 1.0}, {"a": 1.0 + 1e-13}, True),
        ({"a": 1}, {"b": 1}, False),
        (True, 1, False),
        (None, None, True),
    ],
)
def test_what_is_the_same(one: Any, other: Any, same: bool) -> None:
    """In structure and type exactly, in floating point but for the last digits."""
    assert is_same(one, other) is same
