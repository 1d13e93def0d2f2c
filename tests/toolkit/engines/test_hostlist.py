"""Slurm's short forms: lists of hosts and of numbers."""

from __future__ import annotations

import pytest

from mlberth.engines.hostlist import expand_counts, expand_hosts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", ["node1"]),
        ("login,gpu-a", ["login", "gpu-a"]),
        ("node[01-03,7]", ["node01", "node02", "node03", "node7"]),
        ("node[08-11]", ["node08", "node09", "node10", "node11"]),
        ("a[1-2],b,c[3,5]-ib", ["a1", "a2", "b", "c3-ib", "c5-ib"]),
        ("rack[1-2]node[1-2]", ["rack1node1", "rack1node2", "rack2node1", "rack2node2"]),
        ("gnode[10,20,25,37]", ["gnode10", "gnode20", "gnode25", "gnode37"]),
        ("n[099-101].example.org", ["n099.example.org", "n100.example.org", "n101.example.org"]),
    ],
)
def test_a_list_of_hosts_is_expanded_in_its_order(text: str, names: list[str]) -> None:
    """Numbers keep their zeros, and brackets may be several and in the middle."""
    assert expand_hosts(text) == names


@pytest.mark.parametrize(
    "text",
    ["", ",", "a,,b", "node[", "node]", "node[1-]", "node[3-1]", "node[a-b]", "a[1][", "n[0-99999999]"],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    """A list that is cut, empty or endless is a ValueError, and takes no memory."""
    with pytest.raises(ValueError, match="list"):
        expand_hosts(text)


def test_counts_may_be_repeated() -> None:
    """`2(x3)` is three nodes with two tasks each."""
    assert expand_counts("2(x3),1") == [2, 2, 2, 1]
    assert expand_counts("4") == [4]
    for text in ("", "2(x", "x3", "2(x99999999)"):
        with pytest.raises(ValueError, match="list"):
            expand_counts(text)
