"""The table of endpoints as a file: the daemon writes it by rename, the gateway reads it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlberth_local.files import write_atomically
from mlberth_local.gateway.table import Capture, Endpoint, Fleet, Instance, ModelStore, Table, Variant


def write_table(path: Path, table: Table) -> None:
    """Replace the file; it is whole at every moment."""
    write_atomically(path, json.dumps(asdict(table)).encode(), mode=0o600)


def read_table(path: Path) -> Table:
    """Return the table of a file; an empty one if there is no file."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Table()
    return Table(tuple(_endpoint(one) for one in found["endpoints"]))


def _endpoint(found: dict[str, Any]) -> Endpoint:
    variants = {name: tuple(_variant(one) for one in found[name]) for name in ("variants", "shadows")}
    capture = found.get("capture")
    return Endpoint(**{**found, **variants, "capture": _capture(capture) if capture else None})


def _capture(found: dict[str, Any]) -> Capture:
    types = {name: tuple(found[name]) for name in ("csv_types", "json_types")}
    return Capture(**{**found, **types})


def _variant(found: dict[str, Any]) -> Variant:
    fleets = tuple(_fleet(one) for one in found["fleets"])
    return Variant(**{**found, "fleets": fleets, "containers": tuple(found["containers"])})


def _fleet(found: dict[str, Any]) -> Fleet:
    return Fleet(**{**found, "instances": tuple(_instance(one) for one in found["instances"])})


def _instance(found: dict[str, Any]) -> Instance:
    models = found.get("models")
    return Instance(found["name"], tuple(found["ports"]), ModelStore(**models) if models else None)
