"""Names of objects as files: which files a folder has."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.transfer.names import collect, file_name, listed_name, place


@pytest.mark.parametrize(
    ("key", "prefix", "name"),
    [
        ("data/train/a.csv", "data/train", "a.csv"),
        ("data/train/a.csv", "data/train/", "a.csv"),
        ("data/train/x/a.csv", "data/train/", "x/a.csv"),
        ("data/train", "data/train", "train"),
        ("data/train-2/a.csv", "data/train", "train-2/a.csv"),
        ("a.csv", "", "a.csv"),
        ("a.csv", "a.csv", "a.csv"),
    ],
)
def test_file_names(key: str, prefix: str, name: str) -> None:
    """A key is named by what follows the prefix's folder."""
    assert file_name(key, prefix) == name


@pytest.mark.parametrize(
    ("key", "prefix", "name"),
    [
        ("in/x/1.csv", "s3://bucket/in/", "x/1.csv"),
        ("in/x/1.csv", "s3://bucket/in/x/1", "1.csv"),
        ("in/x/1.csv", "s3://bucket", "in/x/1.csv"),
        ("in/x/1.csv", "", "in/x/1.csv"),
    ],
)
def test_names_of_what_a_manifest_lists(key: str, prefix: str, name: str) -> None:
    """It is what follows the last folder of the manifest's prefix."""
    assert listed_name(key, prefix) == name


@pytest.mark.parametrize(
    "name", ["..", "../a", "a/../b", "/a", "a//b", "a/", "", ".", "a\0", "é" * 128, "\ud800"]
)
def test_names_that_lead_elsewhere(name: str) -> None:
    """They have no place below a folder."""
    with pytest.raises(ValueError, match="expected one of a file that stays in its folder"):
        place(Path("folder"), name)
    assert place(Path("folder"), "a/..b/é") == Path("folder/a/..b/é")


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the machine")
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a").write_text("1")
    (folder / "same").symlink_to("sub/a")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "lost").symlink_to("nowhere")
    assert sorted(collect([folder])) == ["same", "sub/a"]
    assert collect([tmp_path / "absent"]) == {}


def test_later_folder_wins(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "model").write_text("")
    found = collect([tmp_path / "1", tmp_path / "2"])
    assert found == {"model": tmp_path / "2/model"}
