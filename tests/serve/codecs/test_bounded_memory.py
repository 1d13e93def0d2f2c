"""Bodies of many small rows are read in pieces, and say what the plain rules say of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlberth_serve.codecs import READERS, csv_cells, jsonlines, libsvm
from mlberth_serve.codecs import json as json_codec
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import JSON_LINES, LIBSVM, parse_content_type

CELLS = st.one_of(
    st.tuples(st.integers(0, 9), st.sampled_from(["1", "-2.5", "nan", "1e3", "inf", " "])).map(
        lambda pair: f"{pair[0]}:{pair[1]}"
    ),
    st.sampled_from([":", "1:", ":1", "1:2:3", "1", "a", "qid:3", "-1:1", "#", "# 1:1", "+1:1", "q", "1:q"]),
)
LABELS = st.sampled_from(["", "", "1 ", "-1 ", "a ", "1 qid:2 ", "qid:2 ", "\t"])
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n", "\v", "\x1c", "\x1f\n", " \n", "#\n", ""])


def libsvm_by_line(text: str) -> Any:
    """Return the cells of each row, one line after the other."""
    rows = []
    for line in text.splitlines():
        cells = line.partition("#")[0].split()
        if not cells:
            continue
        cells = cells[1:] if ":" not in cells[0] else cells
        cells = cells[1:] if cells and cells[0].startswith("qid:") else cells
        pairs = [cell.split(":", 1) for cell in cells]
        row = [(int(column), float(value)) for column, value in pairs]
        columns = [column for column, _ in row]
        if len(set(columns)) < len(columns) or min(columns, default=0) < 0:
            raise ValueError(columns)
        rows.append(sorted(row))
    if not rows:
        raise ValueError(text)
    return rows


@given(st.lists(st.tuples(LABELS, st.lists(CELLS, max_size=3), ENDS), max_size=6), st.integers(1, 40))
@settings(deadline=None, max_examples=400)
def test_libsvm_is_read_as_line_by_line(lines: list[tuple[str, list[str], str]], piece: int) -> None:
    """Whatever the pieces are, the cells of each row are those of its line, and errors are alike."""
    text = "".join(label + " ".join(cells) + end for label, cells, end in lines)
    try:
        expected = libsvm_by_line(text)
    except ValueError:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libsvm, "_PIECE", piece)
        try:
            matrix = libsvm.decode(text.encode(), parse_content_type(LIBSVM)).array
        except RequestError:
            assert expected is None
            return
    bounds = zip(matrix.indptr, matrix.indptr[1:], strict=False)
    found = [
        list(zip(matrix.indices[a:b].tolist(), matrix.data[a:b].tolist(), strict=True)) for a, b in bounds
    ]
    assert repr(found) == repr(expected)


@given(
    st.lists(st.lists(st.sampled_from(["1", "-0", "", "a", " ", '"b"', "1e5"]), min_size=1, max_size=3)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 5),
)
@settings(deadline=None, max_examples=300)
def test_csv_is_the_same_in_pieces(rows: list[list[str]], end: str, cells: int) -> None:
    """How many cells are read at a time changes neither the array nor the message of an error."""
    text = end.join(map(",".join, rows))
    found: list[Any] = []
    for maximum in (65536, cells):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_cells, "_CELLS", maximum)
            try:
                array = csv_cells.read_cells(text)
                found.append((array.dtype, array.shape, repr(array.tolist())))
            except RequestError as error:
                found.append(error.message)
    assert found[0] == found[1]


@given(
    st.lists(st.sampled_from(["1", "2.5", "null", "true", "-3", "1,2", "", " ", "[1]", '"a"', "[1,2]", "x"])),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
@settings(deadline=None, max_examples=300)
def test_json_lines_are_the_same_all_at_once(lines: list[str], end: str) -> None:
    """Lines of one number each are read at once, and are what they would be line by line."""
    body = end.join(lines).encode()
    found: list[Any] = []
    for small in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jsonlines, "SMALL", small)
            try:
                array = jsonlines.decode(body, parse_content_type(JSON_LINES)).array
                found.append((array.dtype, array.shape, repr(array.tolist())))
            except RequestError as error:
                found.append(error.status)
    assert found[0] == found[1]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-5, 2**64 - 1)
        | st.floats(allow_nan=False)
        | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, list))
)
@settings(deadline=None, max_examples=300)
def test_large_json_is_read_as_small_json(value: Any) -> None:
    """Text is looked for first in a large body; the array is the one that a small body gives."""
    body = json.dumps(value).encode()
    found: list[Any] = []
    for few in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_codec, "_FEW", few)
            try:
                array = json_codec.decode(body, parse_content_type("application/json")).array
                found.append((array.dtype, array.shape, repr(array.tolist())))
            except RequestError as error:
                found.append((error.status, error.message))
    assert found[0] == found[1]


TWICE = {
    "csv": ("text/csv; header=present", b"a,b,a\n1,9,2"),
    "csv with text": ("text/csv; header=present", b'a," a"\nx,9'),
    "records": ("application/json", b'[{"a": 1, "b": 2}, {"a": 1, "a": 9}]'),
    "instances": ("application/json", b'{"instances": [{"a": 1, "b": "x:y", "a": 9}]}'),
    "charset": ("application/json; charset=latin-1", b'[{"a": 1, "\\u0061": 9}]'),
    "json lines": ("application/jsonlines", b'{"a": 1}\n{"a": 1, "a": 2}\n'),
    "sparse": ("text/libsvm", b"1 0:1\n1 3:1 2:1 3:2\n"),
}


@pytest.mark.parametrize(("content_type", "body"), TWICE.values(), ids=TWICE)
def test_column_named_twice_is_refused(content_type: str, body: bytes) -> None:
    """Of two columns of one name one would be lost."""
    media_type = parse_content_type(content_type)
    with pytest.raises(RequestError, match=r"twice|name of another") as caught:
        READERS[media_type.name].decode(body, media_type)
    assert caught.value.status == 400


def test_colons_in_text_are_no_keys() -> None:
    """Records whose text holds colons, and columns without a name, are read."""
    records = READERS["application/json"].decode(
        b'[{"a": "12:30", "b": {"c": ":"}}]', parse_content_type("application/json")
    )
    assert records.array.tolist() == [{"a": "12:30", "b": {"c": ":"}}]
    table = READERS["text/csv"].decode(b"a,,\n1,2,3", parse_content_type("text/csv; header=present"))
    assert np.asarray(table.array).tolist() == [[1, 2, 3]]
