"""CSV and JSON of the profiles: read in bounded memory, to the values that the peers' own readers give."""

from __future__ import annotations

import csv
import io
import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.profiles import peer_formats
from mlberth_serve.profiles.peer_formats import read_json, read_sit_csv, read_smc_csv, to_float32

CELLS = st.sampled_from(
    ["1", "-0", "2.5", "1e3", " 4", "9007199254740993", "", "nan", "a", "#", "-", "1e400"]
)
TEXTS = st.lists(st.lists(CELLS, min_size=1, max_size=3).map(",".join), max_size=5).map("\n".join)


def by_numpy(text: str) -> Any:
    """Return what the PyTorch container's reader gives, as numbers; None where it gives none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.genfromtxt(io.StringIO(text), dtype=None, delimiter=",")
            if array.dtype.names:
                if not {array.dtype[name].kind for name in array.dtype.names} <= set("biuf"):
                    return None
                array = np.genfromtxt(io.StringIO(text), delimiter=",")
    except (ValueError, IndexError, TypeError):
        return None
    return array.astype(np.float64) if array.dtype.kind in "biuf" else None


@pytest.mark.filterwarnings("ignore")  # genfromtxt's, of text without rows
@differential(300)
@given(TEXTS)
def test_csv_is_what_genfromtxt_reads(text: str) -> None:
    """Plain numbers are read another way, to the same values and shape."""
    expected = by_numpy(text)
    try:
        found = read_sit_csv(text)
    except BadRequestError:
        assert expected is None
        return
    assert expected is not None
    assert found.shape == expected.shape
    assert repr(found.astype(np.float64).tolist()) == repr(expected.tolist())


@differential(200)
@given(TEXTS, st.integers(1, 3))
def test_csv_is_read_in_pieces(text: str, rows: int) -> None:
    """How many rows are read at a time changes nothing."""
    try:
        whole = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(text), strict=True)]
        expected = np.array(whole).squeeze()
    except ValueError:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_formats, "_ROWS", rows)
        try:
            found = read_smc_csv(text)
        except BadRequestError:
            assert expected is None
            return
    assert expected is not None
    assert (found.shape, repr(found.tolist())) == (expected.shape, repr(expected.tolist()))


@pytest.mark.parametrize("read", [read_json, read_sit_csv])
def test_text_among_numbers_is_bounded(read: Any) -> None:
    """One long text does not make each cell as long; there is an answer at once."""
    cells = [1] * 20_000 + ["a" * 50_000]
    text = json.dumps(cells) if read is read_json else "\n".join(map(str, cells))
    with pytest.raises(RequestError) as caught:
        to_float32(read(text))
    assert caught.value.status in {400, 413}


def test_numbers_that_float32_has_not_are_refused() -> None:
    """Text that is a number is one, as in the containers; what would become infinite is refused."""
    assert to_float32(read_json('[["1.5", 2, null]]'))[0, :2].tolist() == [1.5, 2]
    with pytest.raises(BadRequestError, match=r"Row 0, column 1, .* is 1e\+300"):
        to_float32(read_json("[[1, 1e300]]"))
