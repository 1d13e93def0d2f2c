"""Filters and joins of records."""

from __future__ import annotations

import json

import pytest

from mlberth_local.transform.json_path import JsonPath
from mlberth_local.transform.records import CSV, JSON, JSON_LINES, DataProcessing, Record, TransformError


def processing(media_type: str, sent: str = "$", stored: str = "$", *, joins: bool = True) -> DataProcessing:
    """Return filters."""
    return DataProcessing(media_type, JsonPath(sent), JsonPath(stored), joins)


def records(*bodies: bytes) -> list[Record]:
    """Return records."""
    return [Record(body, body) for body in bodies]


def test_rows_are_joined() -> None:
    """Columns of the input, then those of the answer; the output filter counts both."""
    data = processing(CSV, "$[1:]", "$[0,-1]")
    first = records(b'id-1,"a, b",2')[0]
    assert data.outgoing(first) == b'"a, b",2'
    assert data.results(records(b"id-1,1,2", b"id-2,3,4"), b"0.5\n0.75\n") == [b"id-1,0.5", b"id-2,0.75"]
    assert processing(CSV).results([first], b'x,"y ""z"""') == [b'id-1,"a, b",2,x,"y ""z"""']


def test_objects_are_joined() -> None:
    """The answer is a member of the input; what is no object has both as members."""
    data = processing(JSON_LINES, "$.features", "$['id','SageMakerOutput']")
    given = records(b'{"id": 1, "features": [1, 2]}', b'{"id": 2, "features": [3]}')
    assert [data.outgoing(one) for one in given] == [b"[1,2]", b"[3]"]
    assert data.results(given, b"0.5\n{}\n") == [
        b'{"id":1,"SageMakerOutput":0.5}',
        b'{"id":2,"SageMakerOutput":{}}',
    ]
    assert processing(JSON).results(records(b"[1]"), b"[2]") == [
        b'{"SageMakerInput":[1],"SageMakerOutput":[2]}'
    ]


def test_without_a_join() -> None:
    """The output filter sees the answer alone."""
    assert processing(CSV, stored="$[0]", joins=False).results(records(b"1,2"), b"a,b") == [b"a"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(b"1\n", "the answer has 1 records for 2"), (b"1\n2\n3\n", "3 records for 2")],
)
def test_answers_of_another_length(answer: bytes, cause: str) -> None:
    """Never a silently shorter output."""
    with pytest.raises(TransformError, match=cause):
        processing(CSV).results(records(b"1", b"2"), answer)


@pytest.mark.parametrize(
    ("stored", "answer", "cause"),
    [("$[5]", b"1", "OutputFilter .* out of range"), ("$", b"", "0 records for 1")],
)
def test_filters_that_find_nothing(stored: str, answer: bytes, cause: str) -> None:
    """It is an error of the object."""
    with pytest.raises(TransformError, match=cause):
        processing(CSV, stored=stored).results(records(b"1"), answer)


def test_input_that_is_not_json() -> None:
    """It is said."""
    with pytest.raises(TransformError, match="not valid JSON"):
        processing(JSON_LINES, "$.a").outgoing(records(b"{")[0])


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_json_end_with_lf_alone(separator: str, end: str) -> None:
    """A text may hold what Unicode also takes for the end of a line."""
    text = f"before{separator}after"
    answer = (json.dumps(text, ensure_ascii=False) + end) * 2
    found = processing(JSON_LINES).results(records(b"{}", b"{}"), answer.encode())
    assert [json.loads(one) for one in found] == [{"SageMakerOutput": text}] * 2


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", *"\x85\x0b\x0c\x1c\x1d\x1e"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_end_as_csv_has_it(separator: str, end: str) -> None:
    """The same for a cell."""
    answer = f"before{separator}after{end}" * 2
    rows = processing(CSV).results(records(b"1", b"2"), answer.encode())
    assert rows == [f"{number},before{separator}after".encode() for number in (1, 2)]


def test_bytes_that_are_not_utf_8_stay() -> None:
    """A file in another encoding is joined as it is."""
    data = processing(CSV, "$[1:]")
    [given] = records("é,ü,1".encode("latin-1"))
    assert data.outgoing(given) == "ü,1".encode("latin-1")
    assert data.results([given], b"0.5\n") == ["é,ü,1,0.5".encode("latin-1")]


def test_a_whole_object_has_several_rows() -> None:
    """Without a split each row is joined with its own answer; ends of lines may be those of any system."""
    data = processing(CSV, "$[1]")
    [given] = records(b'a,1\r\n"b\nb",2\n')
    assert data.outgoing(given) == b"1\n2"
    assert data.results([given], b"x\ny\n") == [b'a,1,x\n"b\nb",2,y']
    with pytest.raises(TransformError, match="the answer has 1 records for 2"):
        data.results([given], b"x\n")


def test_cells_with_line_ends_are_quoted() -> None:
    """A row stays a row."""
    assert processing(CSV).results(records(b"1"), b'"a\r\nb"\n') == [b'1,"a\r\nb"']


@pytest.mark.parametrize("media_type", [JSON, JSON_LINES])
def test_answers_that_are_no_text(media_type: str) -> None:
    """Bytes that are not UTF-8 are not made into other ones."""
    with pytest.raises(TransformError, match="the answer is not valid JSON"):
        processing(media_type).results(records(b"{}"), b'"\xff"\n')


def test_json_that_is_too_deep() -> None:
    """It fails its object, with a reason."""
    with pytest.raises(TransformError, match="JSON"):
        processing(JSON).results(records(b"[" * 100_000 + b"]" * 100_000), b"1")
