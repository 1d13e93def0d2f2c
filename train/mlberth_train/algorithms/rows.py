"""The data of a channel as arrays: csv, libsvm, parquet and recordio-protobuf, the label first.

rows = read_rows(job.channels["train"], RULE)      # None: the channel has no data on this host
model.fit(rows.features, rows.labels)
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mlberth.channels.inputs import Input
from mlberth.compat.libsvm import read_file
from mlberth.contract.channels import Channel
from mlberth.errors import ContractError, DependencyError, Fault
from mlberth_train.algorithms.channels import CSV, LIBSVM, PARQUET, RECORDIO, ChannelRule
from mlberth_train.algorithms.recordio_rows import read_recordio

_GZIP = b"\x1f\x8b"
_DELIMITERS = b",\t;| "
_HEADER = "The first line is data: remove a header, and encode text as numbers."


class Rows(NamedTuple):
    """Rows of numbers, float32."""

    features: Any
    """An array of two dimensions, or a csr_matrix: libsvm, and recordio-protobuf with sparse tensors."""
    labels: Any
    """One number for each row, or `label_size` of them; None for the label size 0."""
    weights: Any = None
    """One number for each row, or None."""
    groups: Any = None
    """How many rows each group of a ranking has, one after the other (libsvm's qid), or None."""

    @property
    def height(self) -> int:
        """How many rows there are."""
        return int(self.features.shape[0])

    @property
    def width(self) -> int:
        """How many columns the features have."""
        return int(self.features.shape[1])


def read_rows(
    channel: Channel, rule: ChannelRule, *, weights: bool = False, wait: float = 900.0
) -> Rows | None:
    """Return all rows of a channel, or None if it has none on this host.

    With `weights`, each row of csv has its weight after its label. A channel in Pipe mode is waited for, in
    seconds, and read once. Raises ContractError with file and line for what cannot be read.
    """
    form, label_size = rule.content_type(channel)
    size = label_size or 0
    if form == RECORDIO:
        parts = [_from_recordio(channel, size, wait)]
    else:
        reader = _READERS[form]
        parts = [reader(name, data, size, weights) for name, data in _contents(channel, wait)]
    found = [part for part in parts if part is not None and part.height]
    return joined(found, str(channel.path)) if found else None


def joined(parts: list[Rows], where: str = "the data") -> Rows:
    """Return several rows as one; raises ContractError for those that do not fit together."""
    import numpy as np
    from scipy import sparse

    if len(parts) == 1:
        return parts[0]
    widths, columns = sorted({part.width for part in parts}), list(zip(*parts, strict=True))
    is_sparse = any(sparse.issparse(part.features) for part in parts)
    if len(widths) > 1 and not is_sparse:
        found = f"rows of {' and '.join(map(str, widths))} columns"
        raise ContractError(Fault(where, found, "as many in each file"))
    if any(len({part is None for part in column}) > 1 for column in columns[1:]):
        raise ContractError(
            Fault(where, "labels, weights or groups in some files", "them in all files, or none")
        )
    if is_sparse:
        features = sparse.vstack([widened(part.features, widths[-1]) for part in parts], format="csr")
    else:
        features = np.concatenate(columns[0])
    return Rows(features, *(None if column[0] is None else np.concatenate(column) for column in columns[1:]))


def widened(features: Any, width: int) -> Any:
    """Return features as a csr_matrix with so many columns; what is new in it is empty."""
    from scipy import sparse

    matrix = sparse.csr_matrix(features)
    matrix.resize(matrix.shape[0], max(width, matrix.shape[1]))
    return matrix


def _contents(channel: Channel, wait: float) -> Iterator[tuple[str, bytes]]:
    """Yield the name and all bytes of each file that holds data; of the FIFO in Pipe mode."""
    source = Input(channel, wait=wait)
    if channel.mode == "Pipe":
        with source.open() as stream:
            yield f"{channel.path}_0", _unpacked(f"{channel.path}_0", stream.read())
        return
    for file in source.files():
        if not file.name.startswith("_"):  # _SUCCESS and the like, of Spark
            yield str(file), _unpacked(str(file), file.read_bytes())


def _unpacked(name: str, data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ContractError(Fault(name, f"broken gzip ({error})", "a whole file of gzip")) from None


def _from_csv(name: str, data: bytes, label_size: int, weights: bool) -> Rows | None:
    import numpy as np

    data = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n ")
    first = data.partition(b"\n")[0].rstrip(b"\r ")
    if not first:
        return None
    delimiter = next((one for one in map(chr, _DELIMITERS) if one.encode() in first), ",")
    if delimiter != " ":
        data = _with_nan(data, delimiter.encode())
    try:
        table = np.loadtxt(
            io.BytesIO(data), np.float32, delimiter=delimiter, ndmin=2, comments=None, quotechar='"'
        )
    except ValueError as error:
        raise _csv_error(name, data, str(error)) from None
    start = label_size + weights
    if table.shape[1] <= start:
        found = f"rows of {table.shape[1]} columns, apart by {delimiter!r}"
        what = f"{label_size} of labels{', 1 of weights' if weights else ''} and at least one more"
        raise ContractError(Fault(name, found, what))
    return Rows(
        table[:, start:], _labels(table, label_size), table[:, label_size].copy() if weights else None
    )


def _labels(table: Any, label_size: int) -> Any:
    """Return the columns of labels as an array of their own, so that the table's memory can go."""
    if label_size == 1:
        return table[:, 0].copy()
    return table[:, :label_size].copy() if label_size else None


def _with_nan(data: bytes, delimiter: bytes) -> bytes:
    """Return csv whose empty cells, missing values, have the word that numpy's fast reader wants for them."""
    doubtful = (delimiter + end for end in (delimiter, b"\n", b"\r", b" "))
    if not (
        any(pair in data for pair in doubtful)
        or b"\n" + delimiter in data
        or b"\n " in data
        or data.startswith(delimiter)
        or data.endswith(delimiter)
    ):
        return data
    cell = re.escape(delimiter)
    pattern = rb"(?m)^(?= *" + cell + rb")|(?<=" + cell + rb")(?= *(?:" + cell + rb"|\r?$|\Z))"
    return re.sub(pattern, b"nan", data)


def _csv_error(name: str, data: bytes, message: str) -> ContractError:
    """Return the error for a file of csv that numpy does not read, with the line."""
    if match := re.search(r"could not convert string (.*) to float32 at row (\d+), column (\d+)", message):
        cell, row, column = match[1], int(match[2]), match[3]
        action = _HEADER if row == 0 else ""
        return ContractError(
            Fault(f"{name}, line {_line(data, row)}, column {column}", cell, "a number", action)
        )
    if match := re.search(r"columns changed from (\d+) to (\d+) at row (\d+)", message):
        expected, found, row = match[1], match[2], int(match[3]) - 1
        return ContractError(
            Fault(
                f"{name}, line {_line(data, row)}", f"{found} columns", f"{expected}, as in the lines before"
            )
        )
    return ContractError(Fault(name, message, "rows of numbers"))


def _line(data: bytes, row: int) -> int:
    """Return the number of the line of a row: numpy counts rows from 0, and leaves out empty lines."""
    lines = (number for number, line in enumerate(data.splitlines(), 1) if line.strip())
    return next((number for place, number in enumerate(lines) if place == row), row + 1)


def _from_libsvm(name: str, data: bytes, label_size: int, weights: bool) -> Rows | None:  # noqa: ARG001
    import numpy as np

    try:
        features, labels, row_weights, groups = read_file(data.decode())
    except ValueError as error:  # text that is not UTF-8 is one as well
        raise ContractError(Fault(f"{name}: {error}", "", "")) from None
    labels = None if labels is None or not label_size else np.asarray(labels, np.float32)
    return Rows(features, labels, row_weights, groups) if features.shape[0] else None


def _from_parquet(name: str, data: bytes, label_size: int, weights: bool) -> Rows | None:  # noqa: ARG001
    import numpy as np

    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DependencyError(
            Fault(
                name,
                "no module pyarrow",
                'pyarrow, which reads parquet (pip install "mlberth[parquet]", or name it in a '
                "requirements.txt in the code folder)",
            )
        ) from None
    try:
        columns = parquet.read_table(pa.BufferReader(data)).columns
        table = np.column_stack([column.to_numpy().astype(np.float32) for column in columns])
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ContractError(Fault(name, str(error), "columns of numbers in parquet")) from None
    if table.shape[1] <= label_size:
        raise ContractError(
            Fault(name, f"{table.shape[1]} columns", f"{label_size} of labels and at least one more")
        )
    return Rows(table[:, label_size:], _labels(table, label_size))


def _from_recordio(channel: Channel, label_size: int, wait: float) -> Rows | None:
    source = Input(channel, wait=wait)
    if channel.mode != "Pipe" and not any(file.stat().st_size for file in source.files()):
        return None
    features, labels = read_recordio(source.examples(), str(channel.path), label_size)
    return Rows(features, labels)


_READERS: dict[str, Callable[[str, bytes, int, bool], Rows | None]] = {
    CSV: _from_csv,
    LIBSVM: _from_libsvm,
    PARQUET: _from_parquet,
}
