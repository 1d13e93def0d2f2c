"""The table of endpoints as a file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mlberth_local.gateway.table import Capture, Endpoint, Fleet, Instance, ModelStore, Table, Variant
from mlberth_local.gateway.table_file import read_table, write_table

STORE = ModelStore(1, "/models/a,\n]", "/opt/ml/models", caches=False)
SERVED = Fleet("config", (Instance("i-1", (8080, 8081), STORE), Instance("i-2", (8082,))), 0.25)
TABLES = {
    "none": Table(),
    "idle": Table((Endpoint("rare", "arn:rare", (Variant("v", 1.0, (), max_concurrency=20),)),)),
    "all": Table(
        (
            Endpoint("rare", "arn:rare", ()),
            Endpoint(
                "e",
                "arn:e",
                (Variant("v", 0.5, (SERVED,), ("one", "two"), multi_model=True),),
                (Variant("shadow", 1.0, (SERVED, SERVED)),),
                direct=True,
                asynchronous=True,
                capture=Capture("s3://b/p", 12.5, True, False, ("text/csv",), ()),
            ),
        )
    ),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_table_is_read_as_it_was_written(table: Table, tmp_path: Path) -> None:
    """The file is JSON as a whole, and has a line for each endpoint."""
    file = tmp_path / "table.json"
    write_table(file, table)
    assert read_table(file) == table
    assert len(json.loads(file.read_bytes())["endpoints"]) == len(table.endpoints)


def test_endpoints_that_have_not_changed_are_not_there_twice(tmp_path: Path) -> None:
    """Those are the ones of before, and the others are new."""
    file = tmp_path / "table.json"
    write_table(file, TABLES["all"])
    before = {one.name: one for one in read_table(file).endpoints}
    changed = replace(before["rare"], direct=True)
    write_table(file, Table((changed, before["e"])))
    found = read_table(file, before)
    assert found == Table((changed, before["e"]))
    assert found.endpoints[1] is before["e"]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_table_of_an_earlier_version(table: Table, tmp_path: Path) -> None:
    """It is in one line, and is read as well."""
    file = tmp_path / "table.json"
    file.write_text(json.dumps(asdict(table)))
    assert read_table(file) == table


def test_no_table(tmp_path: Path) -> None:
    """Without a file there is no endpoint."""
    assert read_table(tmp_path / "table.json") == Table()
