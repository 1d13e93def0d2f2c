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
    """Return the JSON object in a file, or `default` where there is no file.

    Raises ContractError that names the file, and line and column where there are any; the content
    is never quoted, since it can hold secrets.
    """
    try:
        raw = _read_regular_file(path)
    except FileNotFoundError:
        if default is not None:
            return dict(default)
        _refuse(path, "no such file")
    except OSError as error:
        _refuse(path, f"an unreadable file ({error.strerror})")
    value = _parse(path, raw)
    if not isinstance(value, dict):
        _refuse(path, f"a {_json_type(value)} at the top")
    return value


def _parse(path: Path, raw: bytes) -> typing.Any:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        _refuse(path, f"bytes that are not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        place = f"at line {error.lineno}, column {error.colno}"
        _refuse(path, f"broken JSON {place}: {_in_words(error)}" if raw.strip() else f"an empty file {place}")
    except _DuplicateKeyError as error:
        _refuse(path, f"the key {error.args[0]!r} twice")
    except RecursionError:
        _refuse(path, "values nested too deep to read")
    except ValueError:
        _refuse(path, "a number too long to read")
    if is_deep(value):
        _refuse(path, "values nested too deep to read")
    return value


def _in_words(error: json.JSONDecodeError) -> str:
    """Return Python's words for what is wrong as the end of a sentence."""
    text = error.msg.rstrip(": ").removesuffix(" at").removesuffix(" starting")
    return text[:1].lower() + text[1:]


def is_deep(value: object) -> bool:
    """Tell whether a value is nested so deep that it could be read, and not be written or masked again."""
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
    # O_NONBLOCK: a FIFO in the file's place must not block us before we can see what it is.
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
