"""What encoders and decoders of both serving toolkits do, between arrays and bodies.

Where those lose data silently these do not: an empty cell of a CSV is nan, never 0. Nothing is unpickled.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

Convert = Callable[..., Any]


def look_up(converters: Mapping[str, Convert], content_type: str, error: type[Exception]) -> Convert:
    """Return the function of a media type, parameters aside; raises `error` where there is none."""
    name = content_type.partition(";")[0].strip().lower()
    if name not in converters:
        raise error(content_type)
    return converters[name]


def array_to_json(array_like: Any) -> str:
    """Return JSON; arrays anywhere in it become lists."""
    return json.dumps(array_like, default=_to_list)


def json_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return an array of what the JSON holds."""
    import numpy as np  # noqa: PLC0415 - training may do without

    return np.array(json.loads(string_like), dtype=dtype)


def array_to_csv(array_like: Any) -> str:
    """Return a row a line; of one dimension, a value a line."""
    import numpy as np  # noqa: PLC0415 - as above

    array = np.atleast_1d(np.asarray(array_like))
    if array.ndim > 2:
        raise ValueError(f"{array.ndim} dimensions; expected 1 or 2 for text/csv")
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(array.reshape(len(array), -1).tolist())
    return stream.getvalue()


def csv_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return numbers, or text where a cell is none; one row or one column has one dimension."""
    import numpy as np  # noqa: PLC0415 - as above

    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    array = np.array(rows, dtype=str).squeeze()
    if dtype is not None:
        return array.astype(dtype)
    for kind in (int, float):
        try:
            return np.where(array == "", "nan", array).astype(kind)
        except ValueError:
            continue
    return array


def array_to_npy(array_like: Any) -> bytes:
    """Return an array in numpy's own format."""
    import numpy as np  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    np.save(buffer, array_like, allow_pickle=False)
    return buffer.getvalue()


def npy_to_numpy(npy_array: bytes) -> Any:
    """Return the array; one of objects is refused."""
    import numpy as np  # noqa: PLC0415 - as above

    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def npz_to_sparse(npz: bytes) -> Any:
    """Return scipy's sparse matrix."""
    from scipy import sparse  # noqa: PLC0415 - as above

    return sparse.load_npz(io.BytesIO(npz))


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
