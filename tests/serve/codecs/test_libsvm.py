"""`text/libsvm`, which is read only."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_serve.codecs import libsvm
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import LIBSVM, parse_content_type

pytest.importorskip("scipy.sparse")


def decode(body: bytes) -> Any:
    """Read a body."""
    return libsvm.decode(body, parse_content_type(LIBSVM)).array


READ = {
    "labels are left out": (b"1 0:1 2:3\n0 1:2\n", [[1, 0, 3], [0, 2, 0]]),
    "no labels": (b"0:1 2:3", [[1, 0, 3]]),
    "columns count from zero": (b"1:5", [[0, 5]]),
    "any order": (b"2:3 0:1", [[1, 0, 3]]),
    "qid": (b"1 qid:7 0:1", [[1]]),
    "comment": (b"1 0:1 # 9:9\n# all of it\n", [[1]]),
    "CRLF, tabs, blank lines": (b"\r\n1\t0:1  1:2\r\n\r\n", [[1, 2]]),
    "empty row": (b"1 1:1\n0\n", [[0, 1], [0, 0]]),
}


@pytest.mark.parametrize(("body", "rows"), READ.values(), ids=READ)
def test_rows_are_read(body: bytes, rows: list[list[float]]) -> None:
    """A line is a row of the cells that it names."""
    assert decode(body).toarray().tolist() == rows


BAD = {
    "blank": b"\n \n",
    "comments": b"# only\n",
    "column is text": b"1 a:1",
    "value is text": b"1 0:a",
    "no colon": b"1 0",
    "below zero": b"1 -1:1",
    "twice": b"1 0:1 0:2",
    "underscore": b"1 1_0:1",
    "beyond 31 bits": b"1 4294967296:1",
    "10000 digits": b"1 " + b"9" * 10_000 + b":1",
    "other digits": "1 \u0661:1".encode(),
    "not utf-8": b"\xff",
    "two colons": b"1 0:1:2",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body_is_refused(body: bytes) -> None:
    """A line that is not cells of column:value, each column once, is 400."""
    with pytest.raises(BadRequestError):
        decode(body)
