"""Manifests: what they list, and what is wrong with them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mlberth.channels.manifests import LARGEST_LINE, read_augmented, read_manifest, value_of
from mlberth.errors import ContractError


def test_addresses_begin_with_the_prefix(tmp_path: Path) -> None:
    """The prefix comes first; without one the names are addresses."""
    path = tmp_path / "training-manifest"
    path.write_text('[{"prefix": "s3://b/data/"}, "a.csv", "x/b.csv"]')
    assert read_manifest(path) == ["s3://b/data/a.csv", "s3://b/data/x/b.csv"]
    path.write_text('["s3://b/a"]')
    assert read_manifest(path) == ["s3://b/a"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('["a",\n', "line 2: found broken JSON"),
        ("", "line 1: found broken JSON"),
        ('{"prefix": "s3://b/"}', "line 1: found a dict at the top; expected a list"),
        ('["a", {"prefix": "s3://b/"}]', "entry 1: found a dict"),
        ('[{"prefix": 5}]', "entry 0: found a dict"),
        ("[5]", "entry 0: found a int"),
        ("[" * 100_000, "broken JSON"),
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str, problem: str) -> None:
    """File, place, and what stands there."""
    path = tmp_path / "training-manifest"
    path.write_text(text)
    with pytest.raises(ContractError, match=problem):
        read_manifest(path)


@pytest.mark.parametrize("line", [b"[1]", b"{", b"\xff", b"[" * 100_000, b" " * (LARGEST_LINE + 1)])
def test_a_line_that_is_no_entry(line: bytes) -> None:
    """The message has its number, blank lines counted."""
    with pytest.raises(ContractError, match="m, line 3: found"):
        list(read_augmented(io.BytesIO(b'{"a": 1}\n\n' + line), "m", Path()))


def test_values_of_records() -> None:
    """JSON where it is JSON, text otherwise, and bytes for references."""
    assert [value_of(*pair) for pair in (("label", b"1"), ("label", b"cat"), ("x-ref", b"1"))] == [
        1,
        "cat",
        b"1",
    ]
