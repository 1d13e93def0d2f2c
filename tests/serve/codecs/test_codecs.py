"""Codecs of text: CSV, JSON and JSON Lines."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.differential import differential

from mlberth_serve.codecs import CODECS, READERS
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, NPY, parse_content_type

NAN = float("nan")


def decode(content_type: str, body: bytes) -> Any:
    """Return the array in a body of a Content-Type."""
    media_type = parse_content_type(content_type)
    return READERS[media_type.name].decode(body, media_type).array


CSV_NUMBERS = {
    "one row": (b"1,2,3", [[1, 2, 3]]),
    "one cell": (b"5", [[5]]),
    "LF": (b"1,2\n3,4\n", [[1, 2], [3, 4]]),
    "CRLF": (b"1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
    "CR": (b"1,2\r3,4", [[1, 2], [3, 4]]),
    "blank rows": (b"\n1,2\n\n \n3,4\n\n", [[1, 2], [3, 4]]),
    "empty cell": (b"1,,3", [[1, NAN, 3]]),
    "blank cell": (b"1, ,3", [[1, NAN, 3]]),
    "quoted empty cell": (b'"",1', [[NAN, 1]]),
    "quotes": (b'"1","2"', [[1, 2]]),
    "spaces": (b" 1 , 2", [[1, 2]]),
    "exponents, signs": (b"1e3,-.5,+2.", [[1000, -0.5, 2]]),
    "words for numbers": (b"nan,inf,-inf", [[NAN, np.inf, -np.inf]]),
    "byte order mark": (b"\xef\xbb\xbf1,2", [[1, 2]]),
}


@pytest.mark.parametrize(("body", "expected"), CSV_NUMBERS.values(), ids=CSV_NUMBERS)
def test_csv_of_numbers_is_float64_rows(body: bytes, expected: list[list[float]]) -> None:
    """Numbers and missing cells give a two-dimensional array of float64."""
    array = decode(CSV, body)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, np.array(expected, dtype=float))


CSV_TEXT = {
    "text among numbers": (b"1,cat", [[1.0, "cat"]]),
    "comma in quotes": (b'"a,b",2', [["a,b", 2.0]]),
    "quote in quotes": (b'"a""b"', [['a"b']]),
    "line end in quotes": (b'"a\nb",1\n', [["a\nb", 1.0]]),
    "underscore is no number": (b"1_000", [["1_000"]]),
    "other digits are no number": ("\u0661".encode(), [["\u0661"]]),
    "line separator is text": ("a\u2028b".encode(), [["a\u2028b"]]),
    "comment is text": (b"# c", [["# c"]]),
}


@pytest.mark.parametrize(("body", "expected"), CSV_TEXT.values(), ids=CSV_TEXT)
def test_csv_with_text_is_an_object_array(body: bytes, expected: list[list[object]]) -> None:
    """Text stays text, and numbers beside it stay numbers."""
    array = decode(CSV, body)
    assert array.dtype == object
    assert array.tolist() == expected


def test_csv_missing_cell_beside_text_is_nan() -> None:
    """What one cell is does not depend on another."""
    array = decode(CSV, b",a")
    assert array[0, 1] == "a"
    assert np.isnan(array[0, 0])


def test_csv_header_is_skipped_when_announced() -> None:
    """`header=present` takes the first row away, `header=absent` does not."""
    assert decode("text/csv; header=present", b"a,b\n1,2\n").tolist() == [[1, 2]]
    assert decode("text/csv; header=absent", b"a,b\n1,2\n").tolist() == [["a", "b"], [1.0, 2.0]]


def test_csv_header_names_the_columns() -> None:
    """The names are kept with the rows, and not with what is made of them."""
    table = decode("text/csv; header=present", b'a, "b"\n1,x\n'.replace(b" ", b""))
    assert table.columns == ("a", "b")
    assert table.tolist() == [[1.0, "x"]]
    assert (table[:1].columns, (table == 1).columns) == ((), ())


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/csv; charset=latin-1", b"\xe9", "é"),
        ("text/csv; charset=utf-8", "é".encode(), "é"),
        ("text/csv; charset=us-ascii", b"e", "e"),
    ],
)
def test_csv_is_read_in_its_charset(content_type: str, body: bytes, expected: str) -> None:
    """The charset parameter says how the bytes are text."""
    assert decode(content_type, body).tolist() == [[expected]]


BAD = {
    "csv ragged": (CSV, b"1,2\n3", 400),
    "csv ragged in quotes": (CSV, b'"1",2\n3', 400),
    "csv NUL": (CSV, b"1,\x002", 400),
    "csv quote never closed": (CSV, b'1,"2', 400),
    "csv text after a quote": (CSV, b'"1"2,3', 400),
    "csv only blank": (CSV, b"\n \n", 400),
    "csv header of another width": ("text/csv; header=present", b"a\n1,2\n", 400),
    "csv only a header": ("text/csv; header=present", b"a,b\n", 400),
    "csv not utf-8": (CSV, b"\xff", 400),
    "csv not ascii": ("text/csv; charset=us-ascii", b"\xe9", 400),
    "csv unknown charset": ("text/csv; charset=nope", b"1", 415),
    "csv unknown header": ("text/csv; header=maybe", b"1", 415),
    "json truncated": (JSON, b"[1,", 400),
    "json trailing bytes": (JSON, b"[1] x", 400),
    "json NaN": (JSON, b"[NaN]", 400),
    "json deep": (JSON, b"[" * 100_000, 400),
    "json deep and closed": (JSON, b"[" * 500 + b"]" * 500, 400),
    "json lone surrogate": (JSON, b'["\\ud800"]', 400),
    "json integer of 10 MB": (JSON, b"[" + b"9" * 10_000_000 + b"]", 400),
    "json ragged": (JSON, b"[[1, 2], [3]]", 400),
    "json number and list": (JSON, b"[1, [2]]", 400),
    "json ragged text": (JSON, b'[["a", "b"], ["c"]]', 400),
    "json scalar": (JSON, b"5", 400),
    "json text": (JSON, b'"a"', 400),
    "json null": (JSON, b"null", 400),
    "json other key": (JSON, b'{"rows": [1]}', 400),
    "json two keys": (JSON, b'{"instances": [1], "inputs": [1]}', 400),
    "json instances not a list": (JSON, b'{"instances": 1}', 400),
    "json not utf-8": (JSON, b'["\xff"]', 400),
    "common format, values of another shape": (
        JSON,
        b'[{"data": {"features": {"values": [1], "shape": [2]}}}]',
        400,
    ),
    "common format, shape of 2^60": (
        JSON,
        b'[{"data": {"features": {"values": [1], "keys": [0], "shape": [1152921504606846976]}}}]',
        400,
    ),
    "common format, text": (JSON, b'[{"data": {"features": {"values": ["a"], "keys": [0]}}}]', 400),
    "common format, half a key": (JSON, b'[{"data": {"features": {"values": [1], "keys": [0.5]}}}]', 400),
    "common format, key below zero": (JSON, b'[{"data": {"features": {"values": [1], "keys": [-1]}}}]', 400),
    "common format, sparse and dense": (
        JSON,
        b'[{"data": {"features": {"values": [1], "keys": [0]}}}, [1]]',
        400,
    ),
    "jsonlines ragged": (JSON_LINES, b"[1, 2]\n[3]", 400),
    "jsonlines two values in a line": (JSON_LINES, b"[1] [2]", 400),
    "jsonlines brackets that fit elsewhere": (JSON_LINES, b"[1],[2]", 400),
    "jsonlines only blank": (JSON_LINES, b"\n\n", 400),
}


@pytest.mark.parametrize(("content_type", "body", "status"), BAD.values(), ids=BAD)
def test_bad_body_is_refused(content_type: str, body: bytes, status: int) -> None:
    """A body that breaks its type's rules is refused; the message does not quote it."""
    with pytest.raises(RequestError) as caught:
        decode(content_type, body)
    assert caught.value.status == status
    assert len(caught.value.message) < 200


def test_csv_of_a_million_columns_is_read() -> None:
    """The width of a row has no limit but the body's."""
    assert decode(CSV, b",".join([b"1"] * 1_000_000)).shape == (1, 1_000_000)


JSON_ARRAYS = {
    "row": (b"[1, 2, 3]", np.array([1, 2, 3])),
    "rows": (b"[[1.5, 2], [3, 4]]", np.array([[1.5, 2], [3, 4]])),
    "cube": (b"[[[1]]]", np.array([[[1]]])),
    "instances": (b'{"instances": [[1]]}', np.array([[1]])),
    "inputs": (b'{"inputs": [[1]]}', np.array([[1]])),
    "features": (b'{"instances": [{"features": [1, 2]}, {"features": [3, 4]}]}', np.array([[1, 2], [3, 4]])),
    "AWS common format": (
        b'{"instances": [{"data": {"features": {"values": [1, 2]}}}, {"features": [3, 4]}]}',
        np.array([[1, 2], [3, 4]]),
    ),
    "AWS common format with a shape": (
        b'[{"data": {"features": {"values": [1, 2, 3, 4], "shape": [2, 2]}}}]',
        np.array([[[1.0, 2.0], [3.0, 4.0]]]),
    ),
    "null": (b"[[1, null]]", np.array([[1, NAN]])),
    "booleans": (b"[true, false]", np.array([True, False])),
    "beyond 64 bits": (b"[18446744073709551616]", np.array([2.0**64])),
    "last key wins": (b'{"inputs": [1], "inputs": [2]}', np.array([2])),
    "byte order mark": (b"\xef\xbb\xbf[1]", np.array([1])),
    "white space": (b" [1]\n", np.array([1])),
}


@pytest.mark.parametrize(("body", "expected"), JSON_ARRAYS.values(), ids=JSON_ARRAYS)
def test_json_lists_are_arrays(body: bytes, expected: Any) -> None:
    """Lists become arrays of their own shape and numpy's type."""
    array = decode(JSON, body)
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == expected.dtype


JSON_CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([True, False, None, "a", "1", [], [1.5], {"1": 2}]),
)


@differential(100)
@given(
    st.lists(st.one_of(st.floats(0, 1), JSON_CELLS), min_size=2, max_size=2),
    st.one_of(st.floats(0, 1), JSON_CELLS, st.lists(JSON_CELLS, max_size=3)),
)
def test_many_rows_are_what_few_are(row: list[Any], last: Any) -> None:
    """What a list becomes does not depend on how many rows it has."""

    def read(rows: list[Any]) -> tuple[Any, Any]:
        try:
            array = decode(JSON, orjson.dumps(rows))
        except RequestError as error:
            return error.status, error.message
        return array.dtype, repr(array[-3:].tolist())

    for rows in ([row, row, last], [row, row, [1, last]]):
        assert read([row] * 50 + rows) == read(rows)


SPARSE_ITEM = b'{"data": {"features": {"values": [5, 6], "keys": [0, 2], "shape": [4]}}}'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(JSON, b'{"instances": [%s]}' % SPARSE_ITEM), (JSON_LINES, SPARSE_ITEM + b"\n")],
)
def test_sparse_items_are_sparse_rows(content_type: str, body: bytes) -> None:
    """Items with keys are rows of a csr_matrix."""
    pytest.importorskip("scipy.sparse")
    assert decode(content_type, body).toarray().tolist() == [[5, 0, 6, 0]]


def test_objects_of_ones_own_stay_objects() -> None:
    """An object that only looks like the common format is left to the handler."""
    assert decode(JSON, b'[{"data": {"features": 1}}]').tolist() == [{"data": {"features": 1}}]


@pytest.mark.parametrize("name", ["application/x-ndjson", "application/jsonl", "application/x-jsonlines"])
def test_json_lines_by_other_names(name: str) -> None:
    """What others call JSON Lines is the same."""
    assert decode(name, b"[1]\n[2]\n").tolist() == [[1], [2]]


def test_json_text_leaves_numbers_alone() -> None:
    """Numbers beside text stay numbers, and objects stay objects."""
    assert decode(JSON, b'[["a", 1]]').tolist() == [["a", 1]]
    assert decode(JSON, b'[{"a": 1}]').tolist() == [{"a": 1}]


def test_only_instances_ask_for_an_envelope() -> None:
    """A request with `instances` is answered with `predictions`, no other is."""
    envelopes = [
        CODECS[JSON].decode(body, parse_content_type(JSON)).envelope
        for body in (b'{"instances": [1]}', b'{"inputs": [1]}', b"[1]")
    ]
    assert envelopes == ["predictions", "", ""]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[1, 2]\n[3, 4]\n", [[1, 2], [3, 4]]),
        (b"[1, 2]", [[1, 2]]),
        (b'{"features": [1]}\r\n\n{"features": [2]}', [[1], [2]]),
        (b"1\n2", [[1], [2]]),
        (b'"a"\n"b"', [["a"], ["b"]]),
        (b'{"data": {"features": {"values": [1, 2]}}}\n{"features": [3, 4]}', [[1, 2], [3, 4]]),
        (b'{"a": 1}', [{"a": 1}]),
    ],
)
def test_json_lines_are_rows(body: bytes, expected: list[Any]) -> None:
    """Each line is a row."""
    assert decode(JSON_LINES, body).tolist() == expected


F32 = np.array([0.1, 1.0], dtype=np.float32)
ENCODED = {
    "csv float32 is short": (CSV, F32, b"0.1\n1.0\n"),
    "csv float32 beside nan is short": (CSV, np.array([0.1, NAN], dtype=np.float32), b"0.1\nnan\n"),
    "csv rows": (CSV, np.array([[1, 2], [3, 4]]), b"1,2\n3,4\n"),
    "csv rows not in C order": (CSV, np.array([[1, 2], [3, 4]]).T, b"1,3\n2,4\n"),
    "csv infinity": (CSV, [np.inf], b"inf\n"),
    "csv scalar": (CSV, 5, b"5\n"),
    "csv text": (CSV, [["a,b", 'c"d'], ["e", "f"]], b'"a,b","c""d"\ne,f\n'),
    "csv empty": (CSV, [], b""),
    "json float32 is short": (JSON, F32, b"[0.1,1.0]"),
    "json float32 scalar is short": (JSON, {"score": F32[0]}, b'{"score":0.1}'),
    "json not in C order": (JSON, np.array([[1, 2], [3, 4]]).T, b"[[1,3],[2,4]]"),
    "json nan": (JSON, [NAN, np.inf, np.array([NAN])], b"[null,null,[null]]"),
    "json text array": (JSON, np.array(["a", "b"]), b'["a","b"]'),
    "json object array": (JSON, np.array(["a", 1], dtype=object), b'["a",1]'),
    "json zero dimensions": (JSON, np.array(5), b"5"),
    "json whole-number keys": (JSON, {1: "é"}, '{"1":"é"}'.encode()),
    "jsonlines": (JSON_LINES, np.array([[1, 2], [3, 4]]), b"[1,2]\n[3,4]\n"),
    "jsonlines float32": (JSON_LINES, F32, b"0.1\n1.0\n"),
    "jsonlines dicts": (JSON_LINES, [{"a": 1}, {"a": 2}], b'{"a":1}\n{"a":2}\n'),
    "jsonlines one dict": (JSON_LINES, {"a": 1}, b'{"a":1}\n'),
    "jsonlines scalar": (JSON_LINES, 5, b"5\n"),
}


@pytest.mark.parametrize(("media_type", "value", "expected"), ENCODED.values(), ids=ENCODED)
def test_values_are_encoded(media_type: str, value: Any, expected: bytes) -> None:
    """Predictions are written by the documented rules, numbers as short as they read back."""
    assert CODECS[media_type].encode(value) == expected


UNFIT = {
    "csv three dimensions": (CSV, np.zeros((1, 1, 1))),
    "csv dict": (CSV, {"a": 1}),
    "csv ragged": (CSV, [[1], [1, 2]]),
    "csv complex": (CSV, [1j]),
    "json object": (JSON, object()),
    "json bytes": (JSON, b"a"),
    "npy mixture": (NPY, [["a", 1.0, None]]),
    "npy object": (NPY, object()),
}


@pytest.mark.parametrize(("media_type", "value"), UNFIT.values(), ids=UNFIT)
def test_value_that_does_not_fit_is_the_handlers_fault(media_type: str, value: Any) -> None:
    """A value that a type has no form for raises TypeError or ValueError, not RequestError."""
    with pytest.raises((TypeError, ValueError)):
        CODECS[media_type].encode(value)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)))
def test_csv_reads_back_what_it_wrote(array: Any) -> None:
    """Every float64 comes back the same, nan and infinities too."""
    np.testing.assert_array_equal(decode(CSV, CODECS[CSV].encode(array)), array)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)))
def test_npy_reads_back_what_it_wrote(array: Any) -> None:
    """Every array comes back the same, in its own type."""
    again = decode(NPY, CODECS[NPY].encode(array))
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
@settings(deadline=None)
def test_any_bytes_end_in_an_array_or_a_request_error(body: bytes, media_type: str) -> None:
    """No body raises anything but RequestError."""
    with suppress(RequestError):
        decode(media_type, body)
