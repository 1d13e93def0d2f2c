"""Bodies as the XGBoost container reads them: into a DMatrix."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Any

import numpy as np

from mlberth_serve.codecs import libsvm, recordio
from mlberth_serve.codecs.base import check_size
from mlberth_serve.codecs.sparse import to_matrix
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import CSV, LIBSVM, PARQUET, RECORDIO, MediaType

CSV_KIND, LIBSVM_KIND, RECORDIO_KIND = "csv", "libsvm", "recordio-protobuf"
_KINDS = {kind: kind for kind in (CSV_KIND, LIBSVM_KIND, RECORDIO_KIND)}
_KINDS |= {CSV: CSV_KIND, LIBSVM: LIBSVM_KIND, "text/x-libsvm": LIBSVM_KIND, RECORDIO: RECORDIO_KIND}
LIBSVM_NAMES = (LIBSVM, "text/x-libsvm")
READS = (CSV, *LIBSVM_NAMES, RECORDIO)
_NAMES = (
    "csv, libsvm, parquet, recordio-protobuf, text/csv, text/libsvm, text/x-libsvm, application/x-parquet"
)
_NAMES += ", application/x-recordio-protobuf"
_ENDS = {
    CSV_KIND: "Exception, please ensure data is in csv format:\n ",
    LIBSVM_KIND: "Exception, please ensure data is in libsvm format:\n ",
    RECORDIO_KIND: "Exception, please ensure data is in recordio-protobuf format: ",
}
_SNIFFED = 512
_LINES = 4096
_CELL = 40
"""What a cell of a row takes, in bytes, while the row is read."""
_MATCH = 80
"""What each piece of a text takes, in bytes, between what is left out of it."""
_PARAMETER = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+')
_LEFT_OUT = re.compile(r"(?<=[ \t])[^\s:]+(?=\s|$)")
_BLANK = re.compile(r"^[ \t]*$", re.MULTILINE)


class InputError(Exception):
    """A body that cannot be read; the message is for the client."""


def kind_of(content_type: str | None) -> str:
    """Return which of the container's formats a Content-Type is, libsvm without one; raises InputError."""
    if content_type is None:
        return LIBSVM_KIND
    name, parameters = _parse_header(content_type.lower())
    if name in {CSV, CSV_KIND} and parameters.get("label_size", "1") != "1":
        message = "is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
        raise InputError(f"{content_type} {message}")
    if name in {PARQUET, "parquet"}:
        raise InputError(f"Content-type {content_type} is not supported.")
    if name not in _KINDS:
        raise InputError(f"{content_type} is not an accepted ContentType: {_NAMES}.")
    return _KINDS[name]


def _parse_header(header: str) -> tuple[str, dict[str, str]]:
    """Return name and parameters as `cgi.parse_header` does, which takes blanks around `=`, and any name."""
    name, _, rest = header.partition(";")
    pairs = [part.partition("=") for part in _PARAMETER.findall(rest)]
    return name.strip(), {key.strip(): value.strip().strip('"') for key, equals, value in pairs if equals}


def read_matrix(body: bytes, kind: str, columns: int | None = None) -> Any:
    """Return a body's DMatrix for a model of so many columns, if they are known; raises InputError."""
    try:
        if kind == RECORDIO_KIND:
            data = recordio.decode(body, MediaType(RECORDIO, {})).array
        else:
            text = body.strip().decode("utf-8")
            data = read_csv(text) if kind == CSV_KIND else count_from_zero(read_libsvm(text), columns)
        return to_dmatrix(data)
    except RequestError as error:
        raise InputError(f"Loading {kind} data failed with {_ENDS[kind]}{error.message}") from None
    except (ValueError, TypeError, IndexError, csv.Error, OverflowError) as error:
        raise InputError(f"Loading {kind} data failed with {_ENDS[kind]}{type(error)}") from error


def to_dmatrix(rows: Any) -> Any:
    """Return an array or sparse rows as XGBoost's own matrix; a cell that is not there is missing."""
    import xgboost

    return xgboost.DMatrix(rows, nthread=1)


def read_csv(text: str) -> Any:
    """Read rows apart by LF; the delimiter is guessed from the head of the first."""
    delimiter = csv.Sniffer().sniff(text.partition("\n")[0][:_SNIFFED]).delimiter
    if delimiter.isalnum():
        delimiter = ","
    check_size(_CELL * (text.count(delimiter) + 1), len(text))
    lines = io.StringIO(text, newline="\n")
    parts = []
    while some := [*islice(lines, _LINES)]:  # as Python's objects they take many times as much
        rows = [line.removesuffix("\n").split(delimiter) for line in some]
        parts.append(np.array([[float(cell) if cell else np.nan for cell in row] for row in rows]))
    return np.concatenate(parts)


def read_libsvm(text: str) -> Any:
    """Read cells of column:value as they stand; what has no colon is left out, a blank line is a row."""
    check_size(_MATCH * sum(map(text.count, " \t\n")), len(text))
    lines = _BLANK.sub("0", _LEFT_OUT.sub("", text))
    return to_matrix(*libsvm.read_rows(lines))


def count_from_zero(rows: Any, columns: int | None) -> Any:
    """Return rows whose columns count from 0, if the model's own number of them says they do not.

    That is so if none is 0 and the last is one more than the model has: it was trained on columns that
    count from 0. A model that was trained on such a file has a column 0 too, and gets them as they are.
    """
    if columns is None or rows.shape[1] != columns + 1 or (rows.nnz and rows.indices.min() == 0):
        return rows
    return rows[:, 1:]
