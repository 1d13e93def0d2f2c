"""Folders that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth.code.staging import holds_files, set_aside, staged


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("exists", [False, True])
def test_folder_appears_when_the_block_ends(tmp_path: Path, exists: bool) -> None:
    """Nothing is at the destination before the end of the block, everything after it."""
    destination = tmp_path / "sub/code"
    if exists:
        destination.mkdir(parents=True)
    with staged(destination) as folder:
        (folder / "a").touch()
        assert not holds_files(destination)
    assert names(destination) == ["a"]
    assert names(tmp_path / "sub") == ["code"]


def test_block_that_raises_leaves_nothing(tmp_path: Path) -> None:
    """A half-filled folder is removed."""

    def fill_half() -> None:
        with staged(tmp_path / "code") as folder:
            (folder / "a").touch()
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fill_half()
    assert names(tmp_path) == []


def test_folder_with_files_is_not_replaced(tmp_path: Path) -> None:
    """What a destination already holds is neither mixed nor removed."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/mine").touch()

    def fill() -> None:
        with staged(tmp_path / "code") as folder:
            (folder / "a").touch()

    with pytest.raises(FileExistsError):
        fill()
    assert names(tmp_path / "code") == ["mine"]


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder on another file system than `tmp_path`."""
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory) as folder:
        yield Path(folder)


def test_destination_on_another_file_system_is_filled(tmp_path: Path, other_file_system: Path) -> None:
    """A mount cannot be renamed over, so it is filled in place; a link stands for the mount here."""
    (tmp_path / "code").symlink_to(other_file_system)
    (other_file_system / "a").touch()
    with staged(tmp_path / "code", merge=True) as folder:
        (folder / "b").write_bytes(b"1")
    assert names(other_file_system) == ["a", "b"]
    assert names(tmp_path) == ["code"]


def test_set_aside_never_overwrites(tmp_path: Path) -> None:
    """A folder that is put aside twice has two names."""
    for content in ("a", "b"):
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / content).touch()
        set_aside(tmp_path / "code")
    assert names(tmp_path) == ["code.replaced-1", "code.replaced-2"]
    assert names(tmp_path / "code.replaced-2") == ["b"]
