"""What the XGBoost container makes of a body: a DMatrix."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np

from mlberth_serve.codecs import recordio
from mlberth_serve.codecs.sparse import WIDEST, import_sparse
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import CSV, LIBSVM, PARQUET, RECORDIO, MediaType

CSV_KIND, LIBSVM_KIND, RECORDIO_KIND = "csv", "libsvm", "recordio-protobuf"
_KINDS = {CSV: CSV_KIND, LIBSVM: LIBSVM_KIND, "text/x-libsvm": LIBSVM_KIND, RECORDIO: RECORDIO_KIND}
READS = (CSV, LIBSVM, "text/x-libsvm", RECORDIO)
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


class InputError(Exception):
    """A body that cannot be read; the message is for the client."""


def kind_of(media_type: MediaType | None) -> str:
    """Return which of the container's formats a Content-Type is, libsvm without one; raises InputError."""
    if media_type is None:
        return LIBSVM_KIND
    if media_type.name == CSV and media_type.parameters.get("label_size", "1") != "1":
        message = "is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
        raise InputError(f"{media_type.name} {message}")
    if media_type.name == PARQUET:
        raise InputError(f"Content-type {media_type.name} is not supported.")
    if media_type.name not in _KINDS:
        raise InputError(f"{media_type.name} is not an accepted ContentType: {_NAMES}.")
    return _KINDS[media_type.name]


def read_matrix(body: bytes, kind: str) -> Any:
    """Return a body's DMatrix; raises InputError."""
    import xgboost  # noqa: PLC0415 - loaded already: the model is its own

    try:
        if kind == RECORDIO_KIND:
            data = recordio.decode(body, MediaType(RECORDIO, {})).array
        else:
            text = body.strip().decode("utf-8")
            data = read_csv(text) if kind == CSV_KIND else read_libsvm(text)
        return xgboost.DMatrix(data, nthread=1)
    except RequestError as error:
        raise InputError(f"Loading {kind} data failed with {_ENDS[kind]}{error.message}") from None
    except (ValueError, TypeError, IndexError, csv.Error, OverflowError) as error:
        raise InputError(f"Loading {kind} data failed with {_ENDS[kind]}{type(error)}") from error


def read_csv(text: str) -> Any:
    """Read rows apart by LF; the delimiter is guessed from the head of the first."""
    lines = text.split("\n")
    delimiter = csv.Sniffer().sniff(lines[0][:_SNIFFED]).delimiter
    if delimiter.isalnum():
        delimiter = ","
    rows = [line.split(delimiter) for line in lines]
    return np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])


def read_libsvm(text: str) -> Any:
    """Read cells of column:value; columns count from 1 where none is 0."""
    cells = [
        (row, cell.split(":"))
        for row, line in enumerate(text.split("\n"))
        for cell in line.split(" ")
        if ":" in cell
    ]
    rows = np.array([row for row, _ in cells])
    columns = np.array([int(pair[0]) for _, pair in cells])
    values = np.array([float(pair[1]) for _, pair in cells])
    if len(columns) and columns.min() >= 1:
        columns = columns - 1
    if len(columns) and columns.max() > WIDEST:
        raise ValueError(WIDEST)
    return import_sparse().csr_matrix((values, (rows, columns)))
