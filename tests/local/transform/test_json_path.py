"""Filters of DataProcessing."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.transform.json_path import JsonPath, JsonPathError

RECORD = {"id": 7, "features": [1, 2, 3], "deep": {"a": {"b": 1}, "odd name": 2}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$.features", [1, 2, 3]),
        ("$.features[0]", 1),
        ("$.features[-1]", 3),
        ("$.features[0,2]", [1, 3]),
        ("$.features[1:]", [2, 3]),
        ("$.features[:-1]", [1, 2]),
        ("$.features[*]", [1, 2, 3]),
        ("$.deep.a.b", 1),
        ("$['deep']['odd name']", 2),
        ("$['id', 'features']", {"id": 7, "features": [1, 2, 3]}),
        ("$.deep.*", [{"b": 1}, 2]),
    ],
)
def test_paths(path: str, expected: Any) -> None:
    """Each form leads to its part of the record."""
    assert JsonPath(path).follow(RECORD) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("$", ["a", "b", "c"]), ("$[0]", ["a"]), ("$[1:]", ["b", "c"]), ("$[-1,0]", ["c", "a"])],
)
def test_rows(path: str, expected: list[str]) -> None:
    """What is chosen of a row is a row."""
    assert JsonPath(path).follow_row(["a", "b", "c"]) == expected


@pytest.mark.parametrize("path", ["id", "$id", "$[[0]]", "$..a", "$[?(@.a)]", "$[0", "$" + ".a" * 40])
def test_what_is_no_path(path: str) -> None:
    """It is refused with the place where it goes wrong."""
    with pytest.raises(JsonPathError):
        JsonPath(path)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("$.none", "has no 'none'"),
        ("$.features[3]", "index 3 is out of range for 3 items"),
        ("$.id[0]", "expected a list, found int"),
        ("$.features.x", "has no 'x'"),
    ],
)
def test_paths_that_lead_nowhere(path: str, cause: str) -> None:
    """A record that does not have the part is an error."""
    with pytest.raises(JsonPathError, match=cause):
        JsonPath(path).follow(RECORD)
