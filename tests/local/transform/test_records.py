"""Filters and joins of records."""

from __future__ import annotations

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
