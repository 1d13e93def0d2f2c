"""JSON files written by others."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path

import pytest

from mlberth.contract import json_files
from mlberth.errors import ContractError


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"", "found an empty file at line 1, column 1;", id="empty"),
        pytest.param(b"[1]", "a list at the top", id="list"),
        pytest.param(b"null", "a null at the top", id="null"),
        pytest.param(b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice", id="duplicate"),
        pytest.param('{"a": "ü"}'.encode("utf-16"), "not UTF-8 at byte 0", id="utf-16"),
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


@pytest.mark.parametrize(
    ("content", "position", "words"),
    [
        (b"{'a': 1}", "line 1, column 2", "a key in double quotes is missing here"),
        (b'{"a": True}', "line 1, column 7", "no JSON value begins here"),
        (b'{"a" 1}', "line 1, column 6", "a colon is missing here"),
        (b'{\n"a": 1', "line 2, column 7", "a comma or a closing bracket is missing here"),
        (b'{"a', "line 1, column 2", "the closing quote of this string is missing"),
        (b'{"a\n":1}', "line 1, column 4", "a string holds a line break or another control character"),
        (b'{"a\\q":1}', "line 1, column 4", "a string holds a backslash that escapes nothing"),
        (b'{"a\\u12":1}', "line 1, column 5", "four hexadecimal digits are missing after \\u"),
        (b"{} {}", "line 1, column 4", "something follows the end of the object"),
        (
            b'\xef\xbb\xbf{"a": 1}',
            "line 1, column 1",
            "the file begins with a byte order mark; save it as UTF-8 without one",
        ),
    ],
)
def test_broken_json_is_explained_in_plain_words(
    tmp_path: Path, content: bytes, position: str, words: str
) -> None:
    """The message says where the file is broken and what is missing or too much there."""
    path = tmp_path / "hyperparameters.json"
    path.write_bytes(content)
    with pytest.raises(ContractError) as error:
        json_files.read_object(path)
    found = f"broken JSON at {position}: {words}"
    assert str(error.value) == f"{path}: found {found}; expected a JSON object in UTF-8."


def test_every_message_of_python_has_plain_words() -> None:
    """What this version of `json` can say is in the table, so that no message of its own gets through."""
    sources = "".join(map(inspect.getsource, (json, json.decoder)))
    messages = re.findall(r'(?:JSONDecodeError\(|msg = )"((?:[^"\\]|\\.)+)"', sources)
    messages = [message.replace("\\\\", "\\") for message in messages]
    assert len(messages) >= 10
    assert [message for message in messages if not message.startswith(tuple(json_files.JSON_PROBLEMS))] == []


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
