"""LIBSVM text, line by line."""

from __future__ import annotations

import pytest

from mlberth.compat.libsvm import read_file


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x0c"])
def test_lines_end_as_those_of_files(end: str, separator: str) -> None:
    """A comment may hold what Unicode also takes for the end of a line."""
    rows = read_file(f"1 0:2 # note{separator}more{end}0 1:3{end}")
    assert rows.label.tolist() == [1, 0]
    assert rows.features.toarray().tolist() == [[2, 0], [0, 3]]
