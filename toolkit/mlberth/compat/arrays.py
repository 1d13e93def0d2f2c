"""Arrays and bodies: what the encoders and decoders of both serving toolkits do.

Where those lose data silently these do not: an empty cell of a CSV is nan, never 0. Nothing is unpickled.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

Convert = Callable[..., Any]

_FEW = 4096
"""Text of so few bytes takes 8 MB at most, whatever is made of it."""
_CHARACTER = 4
_MAX_BYTES = 512 * 1024 * 1024
_MAX_TEXT, _TIMES = 64 * 1024 * 1024, 20
_TOO_LARGE_TEXT = "The body's text takes more than 64 MB and 20 times its size, by the rule `unpacked size`."
_TOO_LARGE = "The body unpacks to more than 512 MB, its bound by the rule `unpacked size`."
_ENTRY, _MAX_ENTRIES = b"PK\x01\x02", 1000
"""What an entry of an archive's table begins with, and how many there may be."""


class TooLargeError(ValueError):
    """A body that would take too much memory; the server answers it with 413."""


def look_up(converters: Mapping[str, Convert], content_type: str, error: type[Exception]) -> Convert:
    """Return the function of a media type, parameters aside; raises `error` if there is none."""
    name = content_type.partition(";")[0].strip().lower()
    if name not in converters:
        raise error(content_type)
    return converters[name]


def array_to_json(array_like: Any) -> str:
    """Return JSON; arrays anywhere in it become lists."""
    return json.dumps(array_like, default=_to_list)


def json_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return an array of what the JSON holds."""
    import numpy as np

    value = json.loads(string_like)
    if dtype is None and len(string_like) > _FEW:
        _check_text(np.array(value, dtype=object).ravel().tolist(), len(string_like))
    return np.array(value, dtype=dtype)


def array_to_csv(array_like: Any) -> str:
    """Return a row a line; of one dimension, a value a line."""
    import numpy as np

    array = np.atleast_1d(np.asarray(array_like))
    if array.ndim > 2:
        raise ValueError(f"{array.ndim} dimensions; expected 1 or 2 for text/csv")
    rows = array.reshape(len(array), -1).tolist()
    if array.dtype.kind == "O":
        for cell in (cell for row in rows for cell in row):
            is_printed = not isinstance(cell, str) and str(cell).startswith("<")  # <Thing object at 0x…>
            if is_printed or isinstance(cell, dict | list | tuple | set):
                raise TypeError(f"a {type(cell).__name__} is no cell of text/csv; expected text or a number")
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def csv_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return numbers, or text where a cell is none; one row or one column has one dimension."""
    import numpy as np

    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    cells: list[str] = []
    height = width = 0
    for row in csv.reader(io.StringIO(text), strict=True):
        cells += row  # a list of the rows would take many times as much
        height += bool(row)
        width = width or len(row)
        if len(row) not in {0, width}:
            raise ValueError("the rows of the CSV differ in width; expected one width")
    shape = (height, width)
    if dtype is None:
        for read in (int, float):
            try:
                # Number by number: numpy would make each cell as long as the longest before.
                numbers = [read(cell or "nan") for cell in cells]
                return np.array(numbers, dtype=read).reshape(shape).squeeze()
            except (ValueError, OverflowError):
                continue
    _check_text(cells, len(text))
    array = np.array(cells, dtype=str).reshape(shape).squeeze()
    return array if dtype is None else array.astype(dtype)


def _check_text(cells: list[Any], length: int) -> None:
    """Refuse text that numpy makes too large for a body of `length`: each cell as long as the longest."""
    texts = [len(cell) for cell in cells if isinstance(cell, str)]
    size = _CHARACTER * max(texts, default=0) * len(cells)
    if size > max(_MAX_TEXT, _TIMES * length):
        raise TooLargeError(_TOO_LARGE_TEXT)


def array_to_npy(array_like: Any) -> bytes:
    """Return an array in numpy's own format."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array_like, allow_pickle=False)
    return buffer.getvalue()


def npy_to_numpy(npy_array: bytes) -> Any:
    """Return the array; one of objects is refused."""
    import numpy as np

    _check_npy(npy_array)
    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def array_to_recordio_protobuf(array_like: Any, labels: Any = None) -> bytes:
    """Return a record for each row of an array of one or two dimensions, or of a sparse matrix."""
    from mlberth.compat.recordio import write

    if array_like.ndim == 1:
        array_like = array_like.reshape(1, -1)
    if array_like.ndim != 2:
        raise ValueError(f"{array_like.ndim} dimensions; expected 1 or 2 for recordio-protobuf")
    return write(array_like, labels)


def npz_to_sparse(npz: bytes) -> Any:
    """Return scipy's sparse matrix."""
    from scipy import sparse

    if npz.count(_ENTRY) > _MAX_ENTRIES:
        raise ValueError(f"more than {_MAX_ENTRIES} entries; expected what scipy.sparse.save_npz writes")
    with zipfile.ZipFile(io.BytesIO(npz)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
            raise TooLargeError(_TOO_LARGE)
    return sparse.load_npz(io.BytesIO(npz))


def _check_npy(body: bytes) -> None:
    """Refuse a header whose array is not exactly the rest of the body: memory is taken on its word."""
    from numpy.lib import format as npy_format

    file = io.BytesIO(body)
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        reader = readers[npy_format.read_magic(file)]
    except (ValueError, KeyError):
        return  # numpy says what it is
    try:
        shape, _, dtype = reader(file)
    except Exception as error:  # noqa: BLE001 - numpy parses the header as Python: TokenError, RecursionError, …
        raise ValueError(f"an .npy header that numpy cannot read ({type(error).__name__})") from None
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize != len(body) - file.tell():
        raise ValueError(
            f"an .npy header of {shape} {dtype}, and {len(body) - file.tell()} bytes; expected as many"
        )


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
