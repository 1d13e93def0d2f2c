"""Manifests: lists of objects, plain or augmented, read from a file.

A plain one is JSON: `[{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]`. An augmented one has a JSON
object on each line, in which a name that ends in `-ref` refers to an object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mlberth.channels.damage import damage
from mlberth.paths import is_file

LARGEST_LINE = 16 * 1024 * 1024
_REFERENCE = "-ref"


class Manifest(NamedTuple):
    """What a plain manifest says."""

    prefix: str
    """What all addresses begin with; "" if it has none."""
    addresses: list[str]


def read_manifest(path: Path) -> list[str]:
    """Return the addresses that a plain manifest lists; raises ContractError for one that is damaged."""
    return parse_manifest(path).addresses


def parse_manifest(path: Path, name: str = "") -> Manifest:
    """Return what a plain manifest says; raises ContractError, with `name`, for one that is damaged."""
    where = name or path
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise damage(where, getattr(error, "lineno", 1), "broken JSON", "a manifest", unit="line") from None
    if not isinstance(entries, list):
        raise damage(where, 1, f"a {type(entries).__name__} at the top", "a list", unit="line")
    prefix, addresses = "", []
    for position, entry in enumerate(entries):
        if position == 0 and isinstance(entry, dict) and isinstance(entry.get("prefix"), str):
            prefix = entry["prefix"]
        elif isinstance(entry, str):
            addresses.append(prefix + entry)
        else:
            expected = '{"prefix": "s3://…"} first, and names after it'
            raise damage(where, position, f"a {type(entry).__name__}", expected, unit="entry")
    return Manifest(prefix, addresses)


def read_entries(stream: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of the line, counted from 1, and the entry of each line of an augmented manifest.

    Raises ContractError, with `name` and the line, for what is none.
    """
    for number, line in enumerate(iter(lambda: stream.readline(LARGEST_LINE + 1), b""), 1):
        if len(line) > LARGEST_LINE:
            raise damage(name, number, f"more than {LARGEST_LINE} bytes", "a JSON object", unit="line")
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise damage(name, number, "something else", "a JSON object in UTF-8", unit="line")
        yield number, entry


def read_augmented(stream: BinaryIO, name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of an augmented manifest; a reference to a file of `folder` becomes its path.

    An address is looked for by as much of its end as there is: of `s3://b/images/7.png` first
    `images/7.png`, then `7.png`. One that is not there stays as it is.
    """
    for _, entry in read_entries(stream, name):
        yield {key: _resolved(key, value, folder) for key, value in entry.items()}


def value_of(name: str, record: bytes) -> Any:
    """Return what a record of a pipe is under its name: the bytes of an object, or the JSON value."""
    if name.endswith(_REFERENCE):
        return record
    try:
        return json.loads(record)
    except (ValueError, RecursionError):
        return record.decode(errors="replace")  # text as it is, without quotes


def _resolved(key: str, value: Any, folder: Path) -> Any:
    if not key.endswith(_REFERENCE) or not isinstance(value, str):
        return value
    parts = [part for part in value.partition("://")[2].split("/")[1:] or value.split("/") if part]
    if ".." in parts:
        return value
    ends = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if is_file(end)), value)
