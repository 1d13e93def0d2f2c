"""SAGEMAKER_PROFILE=xgboost and libsvm: columns are those that the model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential
from tests.serve.conftest import LoadProject
from tests.serve.profiles.test_xgboost import PROFILE, post

from mlberth_serve.profiles.xgboost_input import (
    InputError,
    count_from_zero,
    read_csv,
    read_libsvm,
    read_matrix,
)

xgboost = pytest.importorskip("xgboost")
sparse = pytest.importorskip("scipy.sparse")
ROWS = np.random.default_rng(0).normal(size=(200, 4))
LABELS = ROWS @ [1.0, -2.0, 3.0, 0.5]
BODY = "\n".join(
    "0 " + " ".join(f"{at}:{cell}" for at, cell in enumerate(row, 1)) for row in ROWS[:5].tolist()
)
HANDLER = """import xgboost


def model_fn(model_dir):
    return xgboost.Booster(model_file=model_dir + '/xgboost-model.ubj')
"""


def train(model_dir: Path, rows: Any, name: str) -> Any:
    """Put a Booster that was trained on rows into the model folder."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, LABELS), 5)
    booster.save_model(model_dir / name)
    return booster


def from_one(rows: Any) -> Any:
    """Return rows as XGBoost reads a file of them that counts from 1: with a column 0 that has no cells."""
    return sparse.hstack([sparse.csr_matrix((len(rows), 1)), sparse.csr_matrix(rows)]).tocsr()


@pytest.mark.parametrize("with_handler", [False, True])
@pytest.mark.parametrize("trained_from_one", [False, True])
def test_columns_are_shifted_where_the_model_says_so(
    model_dir: Path, load_project: LoadProject, with_handler: bool, trained_from_one: bool
) -> None:
    """A body that counts from 1 means the same columns to a model of either kind."""
    rows = from_one(ROWS) if trained_from_one else ROWS
    booster = train(model_dir, rows, "xgboost-model.ubj")
    if with_handler:
        (model_dir / "code").mkdir()
        (model_dir / "code/inference.py").write_text(HANDLER)
    expected = booster.predict(xgboost.DMatrix(rows[:5]))
    answer = post(load_project(**PROFILE), BODY, content_type="text/libsvm", accept="text/csv")
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose([float(score) for score in answer.text.split()], expected, rtol=1e-6)


SHIFTED = {
    "one too many": ([[0, 1, 2]], 2, [[1, 2]]),
    "column 0 has a cell": ([[3, 1, 2]], 2, [[3, 1, 2]]),
    "as many": ([[0, 1]], 2, [[0, 1]]),
    "fewer": ([[0, 1]], 3, [[0, 1]]),
    "two too many": ([[0, 0, 1, 2]], 2, [[0, 0, 1, 2]]),
    "not known": ([[0, 1, 2]], None, [[0, 1, 2]]),
}


@pytest.mark.parametrize(("rows", "columns", "expected"), SHIFTED.values(), ids=SHIFTED)
def test_nothing_else_is_shifted(rows: Any, columns: int | None, expected: Any) -> None:
    """Only a last column that the model cannot have, with none that is 0, says where they count from."""
    assert count_from_zero(sparse.csr_matrix(rows), columns).toarray().tolist() == expected


@differential(200)
@given(
    st.lists(
        st.lists(st.sampled_from(["0:1", "3:-2.5", "1:0", "7", "a", ""]), max_size=3).map(" ".join),
        min_size=1,
        max_size=5,
    )
)
def test_cells_are_those_that_the_container_reads(lines: list[str]) -> None:
    """Line by line and cell by cell as there, but that a cell twice in a row is refused."""
    text = "\n".join(lines).strip()
    cells = [(row, cell.split(":")) for row, line in enumerate(text.split("\n")) for cell in line.split(" ")]
    cells = [(row, pair) for row, pair in cells if len(pair) > 1]
    places = [(row, int(pair[0])) for row, pair in cells]
    if len(set(places)) < len(places):
        with pytest.raises(InputError, match="twice"):
            read_matrix(text.encode(), "libsvm")
        return
    found = read_libsvm(text)
    height = text.count("\n") + 1
    expected = np.zeros((height, found.shape[1]))
    for (row, column), (_, pair) in zip(places, cells, strict=True):
        expected[row, column] = float(pair[1])
    assert found.toarray().tolist() == expected.tolist()


def test_csv_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many lines are read at a time changes nothing."""
    text = "\n".join(f"{row},{row * 0.5}," for row in range(10))
    whole = read_csv(text)
    monkeypatch.setattr("mlberth_serve.profiles.xgboost_input._LINES", 3)
    np.testing.assert_array_equal(read_csv(text), whole)
    assert whole.shape == (10, 3)
    with pytest.raises(InputError, match="Loading csv data failed"):
        read_matrix(text.encode() + b"\n1,2", "csv")
