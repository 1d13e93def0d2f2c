"""The table of endpoints as a file: the daemon writes it by rename, the gateway reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlberth_local.files import write_atomically
from mlberth_local.gateway.table import Capture, Endpoint, Fleet, Instance, ModelStore, Table, Variant

_HEAD, _TAIL = b'{"endpoints": [\n', b"\n]}\n"
"""Around a line for each endpoint: who reads them one by one never has more of the text in memory."""


def write_table(path: Path, table: Table) -> None:
    """Replace the file; it is whole at every moment."""
    lines = (json.dumps(asdict(one)).encode() for one in table.endpoints)
    write_atomically(path, _HEAD + b",\n".join(lines) + _TAIL, mode=0o600)


def read_table(path: Path, before: Mapping[str, Endpoint] = MappingProxyType({})) -> Table:
    """Return the table of a file; an empty one if there is no file.

    Of those that were there `before`, by name, and have not changed, there is no second copy meanwhile.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Table()
    with file:
        head = file.readline()
        if head != _HEAD:  # of an earlier version: all in one line
            return Table(tuple(_endpoint(one) for one in json.loads(head + file.read())["endpoints"]))
        lines = (line.rstrip(b",\n") for line in file)
        found = (_endpoint(json.loads(line)) for line in lines if line.startswith(b"{"))
        return Table(tuple(one if one != (same := before.get(one.name)) else same for one in found))


def _endpoint(found: dict[str, Any]) -> Endpoint:
    variants = {name: tuple(_variant(one) for one in found[name]) for name in ("variants", "shadows")}
    capture = found.get("capture")
    return Endpoint(**{**found, **variants, "capture": _capture(capture) if capture else None})


def _capture(found: dict[str, Any]) -> Capture:
    types = {name: tuple(found[name]) for name in ("csv_types", "json_types")}
    return Capture(**{**found, **types})


def _variant(found: dict[str, Any]) -> Variant:
    fleets = tuple(_fleet(one) for one in found["fleets"])
    # Most endpoints have the same names here.
    names = {"name": sys.intern(found["name"]), "containers": tuple(map(sys.intern, found["containers"]))}
    return Variant(**{**found, **names, "fleets": fleets})


def _fleet(found: dict[str, Any]) -> Fleet:
    return Fleet(**{**found, "instances": tuple(_instance(one) for one in found["instances"])})


def _instance(found: dict[str, Any]) -> Instance:
    models = found.get("models")
    return Instance(found["name"], tuple(found["ports"]), ModelStore(**models) if models else None)
