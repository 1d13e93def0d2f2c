"""The comparison of two answers."""

from __future__ import annotations

import pytest

from mlberth_local.reports.comparison import Difference, compare

JSON, CSV, LINES = "application/json", "text/csv; charset=utf-8", "application/jsonlines"


@pytest.mark.parametrize(
    ("first", "second", "media_type", "expected"),
    [
        (b"[1.0]", b"[1.0]", JSON, Difference(True, True, 0.0)),
        (b"[1.0]", b"[1]", JSON, Difference(False, True, 0.0)),
        (b"[1.0]", b"[1.0005]", JSON, Difference(False, True, 0.0005)),
        (b"[1.0]", b"[1.5]", JSON, Difference(False, False, 0.5)),
        (b"[1000]", b"[1000.5]", JSON, Difference(False, True, 0.5)),
        (b"[1, 2]", b"[1]", JSON, Difference(False, False, None)),
        (b'{"a": 1}', b'{"a": 1, "b": 2}', JSON, Difference(False, False, None)),
        (b'{"a": 1, "b": "x"}', b'{"b": "x", "a": 1}', JSON, Difference(False, True, 0.0)),
        (b'["cat"]', b'["dog"]', JSON, Difference(False, False, None)),
        (b"[true]", b"[1]", JSON, Difference(False, True, 0.0)),
        (b"[null]", b"[0]", JSON, Difference(False, False, None)),
        (b"[NaN]", b"[ NaN]", JSON, Difference(False, True, 0.0)),
        (b"1,a\n2,b\n", b"1.0, a\r\n2,b", CSV, Difference(False, True, 0.0)),
        (b"1,2\n", b"1,3\n", CSV, Difference(False, False, 1.0)),
        ("1,a\u2028b\n".encode(), b"1,a\nb\n", CSV, Difference(False, False, None)),
        (b'[1]\n"a"\n', b'[1.0]\r\n"a"', LINES, Difference(False, True, 0.0)),
        (b"not json", b"[1]", JSON, Difference(False, False, None)),
        (b"\x00", b"\x01", "application/x-npy", Difference(False, False, None)),
    ],
)
def test_compare(first: bytes, second: bytes, media_type: str, expected: Difference) -> None:
    """Numbers may differ by a thousandth; all else must be equal."""
    found = compare(first, second, media_type, 1e-3)
    assert (found.is_equal, found.is_close) == (expected.is_equal, expected.is_close)
    assert found.largest == (None if expected.largest is None else pytest.approx(expected.largest))
