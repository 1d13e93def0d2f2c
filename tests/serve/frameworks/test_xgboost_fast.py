"""XGBoost by its C interface: the predictions of `inplace_predict`, or those of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost

from mlberth_serve.frameworks import xgboost_fast
from mlberth_serve.frameworks.xgboost_fast import DensePredict

ROWS = np.random.default_rng(5).normal(size=(40, 6))
LABELS = np.digitize(ROWS[:, 0], [-0.5, 0.5])
GAPS = np.where(np.abs(ROWS) < 0.3, np.nan, ROWS)
BINARY = {"objective": "binary:logistic", "nthread": 1}
CLASSES = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}


def train(parameters: dict[str, Any]) -> Any:
    """Return a Booster of a few rounds."""
    labels = LABELS if "num_class" in parameters else LABELS > 0
    return xgboost.train(parameters, xgboost.DMatrix(ROWS, labels), 6)


def count_calls(booster: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each call of `inplace_predict`."""
    calls: list[int] = []
    original = booster.inplace_predict

    def counted(rows: Any, **options: Any) -> Any:
        calls.append(len(rows))
        return original(rows, **options)

    monkeypatch.setattr(booster, "inplace_predict", counted)
    return calls


@pytest.mark.parametrize("parameters", [BINARY, CLASSES], ids=["one value a row", "three values a row"])
@pytest.mark.parametrize("iterations", [(0, 0), (0, 2)], ids=str)
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], GAPS, ROWS.astype("f4")], ids=lambda rows: rows.shape)
def test_predictions_are_those_of_the_booster(
    parameters: dict[str, Any], iterations: tuple[int, int], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, in type and shape; after the first nothing else is asked."""
    booster, predict = train(parameters), DensePredict(iterations)
    expected = booster.inplace_predict(rows, iteration_range=iterations, validate_features=False)
    predict(booster, ROWS[:3])
    calls = count_calls(booster, monkeypatch)
    found = predict(booster, rows)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()
    assert calls == []
    again = predict(booster, ROWS[5:6])
    assert found.tobytes() == expected.tobytes()  # it lies in memory of its own
    assert again.shape[0] == 1


@pytest.mark.parametrize(
    "rows",
    [ROWS.astype(int), np.asfortranarray(ROWS), ROWS[:, ::-1], ROWS[:0]],
    ids=["i8", "F", "view", "none"],
)
def test_other_arrays_go_to_the_booster(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows what to make of them."""
    booster, predict = train(BINARY), DensePredict((0, 0))
    predict(booster, ROWS)
    calls = count_calls(booster, monkeypatch)
    assert predict(booster, rows).tobytes() == booster.inplace_predict(rows).tobytes()
    assert calls == [len(rows), len(rows)]


def test_what_the_library_refuses_is_told_by_the_booster() -> None:
    """With its own error."""
    booster, predict = train(BINARY), DensePredict((0, 99))
    good = DensePredict((0, 0))
    good(booster, ROWS)
    predict._function, predict._tried = good._function, True
    with pytest.raises(xgboost.core.XGBoostError):
        predict(booster, ROWS)


def test_another_prediction_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first one differs, the booster is asked from then on; so it is where there is no library."""
    booster, predict, other = train(BINARY), DensePredict((0, 0)), train(CLASSES)
    monkeypatch.setattr(predict, "_predict", lambda _, rows: other.inplace_predict(rows))
    calls = count_calls(booster, monkeypatch)
    assert [predict(booster, ROWS).shape for _ in range(3)] == [(40,)] * 3
    assert len(calls) == 3
    monkeypatch.setattr(xgboost_fast, "_find_function", lambda: None)
    without = DensePredict((0, 0))
    assert [without(booster, ROWS).shape for _ in range(3)] == [(40,)] * 3
    assert len(calls) == 6
