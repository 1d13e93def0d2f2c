"""Lists divided, put in order and shuffled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth.channels.files import in_order_of, list_files, shard, shuffled
from mlberth.errors import ContractError


@given(st.lists(st.integers()), st.integers(1, 9))
def test_every_item_is_for_one_rank(items: list[int], ranks: int) -> None:
    """Together the parts are the list, and they differ by one item at most."""
    parts = [shard(items, rank, ranks) for rank in range(ranks)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_files_at_any_depth(tmp_path: Path) -> None:
    """Links are followed, but not in circles; what is no file is left out, and a broken link is not."""
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/file").touch()
    (tmp_path / "a").touch()
    (tmp_path / ".hidden").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "b/back").symlink_to(tmp_path)
    (tmp_path / "b/gone").symlink_to("nowhere")
    (tmp_path / "link").symlink_to("a")
    found = [str(path.relative_to(tmp_path)) for path in list_files(tmp_path)]
    assert found == ["a", "b/c/file", "b/gone", "link"]


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named, and not taken for an empty one."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list_files(tmp_path / "nowhere")


@pytest.mark.parametrize(("rank", "ranks"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_that_is_none(rank: int, ranks: int) -> None:
    """A rank counts from 0."""
    with pytest.raises(ContractError, match=f"found the rank {rank} of {ranks}"):
        shard([1], rank, ranks)


def test_an_epochs_order() -> None:
    """Without a seed it is the order of the list; the given list stays as it is."""
    items = list(range(20))
    assert in_order_of(3, None, items) == items
    assert in_order_of(3, 1, items) == in_order_of(3, 1, items) != in_order_of(4, 1, items)
    assert items == list(range(20))


@given(st.lists(st.integers()), st.integers(), st.integers(1, 9))
def test_shuffled_loses_nothing(items: list[int], seed: int, size: int) -> None:
    """Every item comes once, in an order that the seed decides."""
    found = list(shuffled(items, seed, size=size))
    assert sorted(found) == sorted(items)
    assert found == list(shuffled(items, seed, size=size))


def test_shuffled_keeps_no_more_than_its_size() -> None:
    """The first item comes when `size` + 1 have been read."""
    numbers = iter(range(1000))
    next(shuffled(numbers, 1, size=10))
    assert next(numbers) == 11
    assert list(shuffled(range(5), 1, size=1000)) != list(range(5))
    with pytest.raises(ContractError, match="size: found 0"):
        next(shuffled([], 1, size=0))
