"""Questions about paths that somebody else has named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.paths import exists, is_file, is_folder


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800", "gone"])
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
