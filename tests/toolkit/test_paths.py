"""Questions about paths that somebody else has named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.paths import exists, is_file, is_folder, real


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\0b", "\ud800", "gone"])
def test_name_that_no_disk_takes_is_not_there(tmp_path: Path, name: str) -> None:
    """Such a name is no error but one that is absent."""
    assert not exists(tmp_path / name)
    assert not is_file(tmp_path / name)
    assert not is_folder(tmp_path / name)


def test_what_is_there_is_told_apart(tmp_path: Path) -> None:
    """A file is no folder, and both exist."""
    (tmp_path / "a").touch()
    assert exists(tmp_path / "a")
    assert exists(tmp_path)
    assert (is_file(tmp_path / "a"), is_folder(tmp_path / "a")) == (True, False)
    assert (is_file(tmp_path), is_folder(tmp_path)) == (False, True)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000 + "x", "a\0b", "\ud800", "circle", "gone"])
def test_name_that_leads_nowhere_stays_as_it_is(tmp_path: Path, name: str) -> None:
    """It is no error to ask where such a name leads."""
    (tmp_path / "circle").symlink_to("circle")
    assert real(tmp_path / name) == tmp_path / name


def test_links_are_followed(tmp_path: Path) -> None:
    """Two names of one file are told to be one."""
    (tmp_path / "link").symlink_to("folder")
    assert real(tmp_path / "link/../link/x") == tmp_path / "folder/x"
