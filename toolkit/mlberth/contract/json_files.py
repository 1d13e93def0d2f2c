"""JSON files that somebody else wrote: read with a clear message for everything that can be wrong."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from mlberth._typing import typing
from mlberth.errors import ContractError, Fault

LARGEST = 16 * 1024 * 1024
DEEPEST = 100
"""How many levels a value may have; Python gives up at a few hundred."""


class _DuplicateKeyError(ValueError):
    pass


def read_object(path: Path, default: dict[str, typing.Any] | None = None) -> dict[str, typing.Any]:
    """Return the JSON object in a file, or `default` if there is no file.

    Raises ContractError that names the file, and line and column if there are any; the content
    is never quoted, since it can hold secrets.
    """
    value = _read(path, default, allow_list=False)
    assert isinstance(value, dict)
    return value


def read_object_or_list(path: Path) -> dict[str, typing.Any] | list[typing.Any]:
    """Return the JSON object or list in a file, an empty object without the file; raises as `read_object`."""
    return _read(path, {}, allow_list=True)


def _read(
    path: Path, default: dict[str, typing.Any] | None, *, allow_list: bool
) -> dict[str, typing.Any] | list[typing.Any]:
    try:
        raw = _read_regular_file(path)
    except FileNotFoundError:
        if default is not None:
            return dict(default)
        _refuse(path, "no such file")
    except OSError as error:
        _refuse(path, f"an unreadable file ({error.strerror})")
    value = _parse(path, raw)
    if not isinstance(value, dict) and not (allow_list and isinstance(value, list)):
        _refuse(path, f"a {_json_type(value)} at the top")
    return value


def _parse(path: Path, raw: bytes) -> typing.Any:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        _refuse(path, f"bytes that are not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        position = f"at line {error.lineno}, column {error.colno}"
        problem = (
            f"broken JSON {position}: {_in_words(error)}" if raw.strip() else f"an empty file {position}"
        )
        _refuse(path, problem)
    except _DuplicateKeyError as error:
        _refuse(path, f"the key {error.args[0]!r} twice")
    except RecursionError:
        _refuse(path, "values nested too deep to read")
    except ValueError:
        _refuse(path, "a number too long to read")
    if is_deep(value):
        _refuse(path, "values nested too deep to read")
    return value


# By the beginning of Python's message; the first that fits counts.
JSON_PROBLEMS = {
    "Expecting value": "no JSON value begins here",
    "Expecting property name": "a key in double quotes is missing here",
    "Expecting ':'": "a colon is missing here",
    "Expecting ','": "a comma or a closing bracket is missing here",
    "Illegal trailing comma": "a comma stands before the closing bracket",
    "Extra data": "something follows the end of the object",
    "Unterminated string": "the closing quote of this string is missing",
    "Invalid control character": "a string holds a line break or another control character",
    "Invalid \\uXXXX escape": "four hexadecimal digits are missing after \\u",
    "Invalid \\escape": "a string holds a backslash that escapes nothing",
    "Unexpected UTF-8 BOM": "the file begins with a byte order mark; save it as UTF-8 without one",
}


def _in_words(error: json.JSONDecodeError) -> str:
    """Return what is wrong in plain words; Python's own for what only a later version says."""
    return next(
        (words for beginning, words in JSON_PROBLEMS.items() if error.msg.startswith(beginning)), error.msg
    )


def is_deep(value: object) -> bool:
    """Return whether a value is nested too deep to be written or masked again, though it could be read."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _read_regular_file(path: Path) -> bytes:
    # O_NONBLOCK: a FIFO of the file's name must not block us before we can see what it is.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            _refuse(path, "something that is not a regular file")
        if status.st_size > LARGEST:
            _refuse(path, f"{status.st_size} bytes", f"at most {LARGEST} bytes")
        # Bare read(2): closing is ours alone, and a folder's descriptor cannot be made a file object.
        return b"".join(iter(lambda: os.read(descriptor, LARGEST), b""))
    finally:
        os.close(descriptor)


def _unique_keys(pairs: list[tuple[str, typing.Any]]) -> dict[str, typing.Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def _json_type(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names[type(value)]


def _refuse(path: Path, found: str, expected: str = "a JSON object in UTF-8") -> typing.NoReturn:
    raise ContractError(Fault(str(path), found, expected)) from None
