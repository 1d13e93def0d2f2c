"""JSON files written by others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlberth.contract import json_files
from mlberth.errors import ContractError

NO_QUOTES = (
    "found broken JSON at line 1, column 2: expecting property name enclosed in double quotes; expected "
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"", "found an empty file at line 1, column 1;", id="empty"),
        pytest.param(b"{'a': 1}", NO_QUOTES, id="single-quotes"),
        pytest.param(b'{"a": 1,}', "found broken JSON at line 1, column ", id="trailing-comma"),
        pytest.param(b'{\n"a": 1', "line 2, column 7: expecting ',' delimiter;", id="truncated"),
        pytest.param(b'{"a', "line 1, column 2: unterminated string;", id="unterminated"),
        pytest.param(b'{"a\n":1}', "line 1, column 4: invalid control character;", id="control"),
        pytest.param(b'{"a\\q":1}', "line 1, column 4: invalid \\escape;", id="escape"),
        pytest.param(b"{} {}", "line 1, column 4: extra data;", id="two-objects"),
        pytest.param(b"[1]", "a list at the top", id="list"),
        pytest.param(b"null", "a null at the top", id="null"),
        pytest.param(b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice", id="duplicate"),
        pytest.param('{"a": "ü"}'.encode("utf-16"), "not UTF-8 at byte 0", id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "line 1, column 1: unexpected UTF-8 BOM", id="bom"),
        pytest.param(b'{"a": ' + b"[" * 100_000, "nested too deep", id="deep"),
        pytest.param(b'{"a": ' + b"[" * 600 + b"]" * 600 + b"}", "nested too deep", id="deep-and-whole"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "a number too long", id="long-number"),
    ],
)
def test_malformed_file_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    """The message names the file and what is wrong, with line and column where there are any."""
    path = tmp_path / "hyperparameters.json"
    path.write_bytes(content)
    with pytest.raises(ContractError) as error:
        json_files.read_object(path, default={})
    assert str(path) in str(error.value)
    assert found in str(error.value)


def test_content_is_never_quoted(tmp_path: Path) -> None:
    """A malformed file may hold a secret; its text stays out of the message."""
    path = tmp_path / "x.json"
    path.write_text('{"password": "hunter2" "b"}')
    with pytest.raises(ContractError) as error:
        json_files.read_object(path)
    assert "hunter2" not in str(error.value)


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """A FIFO nobody writes to does not block, and a folder is named for what it is."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(ContractError, match="regular file"):
            json_files.read_object(path)


def test_absent_file_is_its_default_or_an_error(tmp_path: Path) -> None:
    """Without a default the file must exist."""
    assert json_files.read_object(tmp_path / "no", default={"a": 1}) == {"a": 1}
    with pytest.raises(ContractError, match="no such file"):
        json_files.read_object(tmp_path / "no")


def test_links_are_followed(tmp_path: Path) -> None:
    """Kubernetes mounts ConfigMaps as links."""
    (tmp_path / "real.json").write_text('{"a": 1}')
    (tmp_path / "link.json").symlink_to("real.json")
    assert json_files.read_object(tmp_path / "link.json") == {"a": 1}


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """A file beyond the limit is refused by its size alone."""
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(json_files.LARGEST + 1)
    with pytest.raises(ContractError, match="at most"):
        json_files.read_object(tmp_path / "huge.json")
