"""Copies of folders that are the copier's own."""

from __future__ import annotations

from pathlib import Path

from mlberth_local.engines.trees import copy_tree, remove_tree


def test_copies_are_apart(tmp_path: Path) -> None:
    """Writing to a copy changes nothing of the source; links are followed."""
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a/x").write_bytes(b"1" * 100_000)
    (source / "y").symlink_to(source / "a/x")
    copy_tree(source, tmp_path / "copy")
    (tmp_path / "copy/a/x").write_text("2")
    assert (source / "a/x").read_bytes() == (tmp_path / "copy/y").read_bytes() == b"1" * 100_000


def test_read_only_copies_can_be_removed(tmp_path: Path) -> None:
    """A copy without the right to write goes away with its folder."""
    (tmp_path / "x").write_text("1")
    copy_tree(tmp_path / "x", tmp_path / "copy/x", read_only=True)
    assert not (tmp_path / "copy/x").stat().st_mode & 0o222
    (tmp_path / "copy").chmod(0o500)
    remove_tree(tmp_path / "copy")
    remove_tree(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
