"""Plain numbers as text: the fast way says what the rules say, or stands aside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth_serve.codecs.base import Table
from mlberth_serve.codecs.csv import decode, read_plain
from mlberth_serve.codecs.csv_cells import read_cells
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import parse_content_type

NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(
        ["0", "-0", "-0.0", "-0e5", "1e-0", "1e400", "1e-400", "007", "+1", ".5", "1.", "-", "1_0"]
    ),
)
CELLS = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["", " ", "\t", " 1 ", "nan", "NaN", "-nan", "nanan", "inf", "Infinity", "null", "true", "false"]
    ),
    st.sampled_from(
        ['"1"', '""', '"a,b"', "[1", "1]", "1],[2", "{}", "a", "é", "\0", "\x0b1", "1\x0c", "\x1c", "\xa0"]
    ),
)
LINE_ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\n \n", ",\n", "\x0b\n", ""])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Return CSV of a few rows, most of which can be read."""
    width = draw(st.integers(1, 3))
    cells = NUMBERS if draw(st.booleans()) else CELLS
    rows = [
        ",".join(draw(cells) for _ in range(width)) + draw(LINE_ENDS) for _ in range(draw(st.integers(0, 4)))
    ]
    return draw(st.sampled_from(["", "", "\ufeff", "\n", " ", "\x0b\n"])) + "".join(rows)


def by_cells(text: str, *, header: bool) -> Any:
    """Return what the rules make of a text, or the kind of error."""
    try:
        return read_cells(text.removeprefix("\ufeff"), header=header)
    except RequestError as error:
        return type(error)


def by_codec(text: str, *, header: bool) -> Any:
    """Return what the codec makes of the same."""
    media_type = parse_content_type("text/csv; header=present" if header else "text/csv")
    try:
        return decode(text.encode(), media_type).array
    except RequestError as error:
        return type(error)


def check_alike(text: str, *, header: bool) -> None:
    """Compare the two to the bit, the sign of a zero too."""
    expected, found = by_cells(text, header=header), by_codec(text, header=header)
    if isinstance(expected, type):
        assert found is expected
        return
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert repr(found.tolist()) == repr(expected.tolist())
    assert found.flags.writeable
    if header:
        assert isinstance(found, Table)
        assert found.columns == expected.columns


@differential(200)
@given(texts(), st.booleans())
def test_codec_says_what_the_rules_say(text: str, header: bool) -> None:
    """However a text is read, the numbers, the names or the kind of error are those of the slow way."""
    check_alike(text, header=header)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("spoiled", [None, b"x", b"", b"1,2", b"-0", b"+1"])
def test_long_text_is_read_piece_by_piece(spoiled: bytes | None, header: bool) -> None:
    """A text of many pieces gives all of its rows, in order, also where one row near the end is odd."""
    rng = np.random.default_rng(0)
    rows = [b"%r,%d" % (float(a), b) for a, b in zip(rng.normal(size=9000), range(9000), strict=True)]
    if spoiled is not None:
        rows[8000] = spoiled + b",5"
    check_alike(b"\r\n".join(rows).decode(), header=header)


@pytest.mark.parametrize(
    "text", [b"1,2\n3,4\n", b"1,2\r\n3,4", b"1,,\n,2,\n", b"nan,1\n", b" 1 , -2.5e3 \n", b"1\n" * 70_000]
)
def test_plain_numbers_and_gaps_take_the_fast_way(text: bytes) -> None:
    """The fast way does not stand aside where it need not."""
    array = read_plain(text)
    assert array is not None
    assert repr(array.tolist()) == repr(read_cells(text.decode()).tolist())


def test_a_long_cell_is_as_long_with_quotes() -> None:
    """A cell may be as long as its body."""
    long = "x" * 200_000
    for text in (f"1,{long}\n", f'1,"{long}"\n', f'1,"{long},"\n'):
        assert read_cells(text)[0][1].startswith(long)
