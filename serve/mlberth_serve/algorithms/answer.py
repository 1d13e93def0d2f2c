"""Answers in the platform's formats: JSON, JSON lines, recordio-protobuf and CSV.

An answer is a column for each name of the response; a row of a column is a number, or several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.base import Array
from mlberth_serve.codecs.recordio import LABEL, write_record, write_tensor
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, RECORDIO

Columns = Mapping[str, Array]
"""By name, each of shape (rows,) or (rows, numbers); whole numbers are written as such."""


def _rows(columns: Columns) -> Iterator[dict[str, Any]]:
    values = [column.tolist() for column in columns.values()]
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _to_json(columns: Columns, envelope: str) -> bytes:
    return orjson.dumps({envelope: [*_rows(columns)]})


def _to_json_lines(columns: Columns, envelope: str) -> bytes:  # noqa: ARG001 - one shape for all
    return b"".join(orjson.dumps(row) + b"\n" for row in _rows(columns))


# The numbers of a row in the order of the names; the platform documents it for k-means alone.
def _to_csv(columns: Columns, envelope: str) -> bytes:  # noqa: ARG001
    parts = [column.reshape(len(column), -1).tolist() for column in columns.values()]
    lines = (",".join(repr(cell) for part in row for cell in part) for row in zip(*parts, strict=True))
    return "".join(f"{line}\n" for line in lines).encode()


# A record for each row, with a label of float32 for each name.
def _to_recordio(columns: Columns, envelope: str) -> bytes:  # noqa: ARG001
    parts = [column.reshape(len(column), -1).astype(np.float32) for column in columns.values()]
    return b"".join(
        write_record(LABEL, {name: write_tensor(part) for name, part in zip(columns, row, strict=True)})
        for row in zip(*parts, strict=True)
    )


WRITERS: dict[str, Callable[[Columns, str], bytes]] = {
    JSON: _to_json,
    JSON_LINES: _to_json_lines,
    "application/jsonl": _to_json_lines,
    "application/x-jsonlines": _to_json_lines,
    "application/x-ndjson": _to_json_lines,
    RECORDIO: _to_recordio,
    CSV: _to_csv,
}
"""By media type: what writes columns; the envelope is the name of the list in JSON."""
