"""CSV and JSON as the peers read and write them, if that is not as ours.

`smc` is sagemaker-containers, below the scikit-learn and XGBoost containers; `sit` is
sagemaker-inference-toolkit, below the PyTorch one. Bad bodies, which end in a 500 there, are 400 here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice
from typing import Any

import numpy as np

from mlberth_serve.codecs import npy
from mlberth_serve.codecs.base import EXACT_WHOLE, Array, check_size
from mlberth_serve.codecs.csv import read_plain
from mlberth_serve.codecs.json import check_text, to_plain_array
from mlberth_serve.codecs.values.simple import to_rows
from mlberth_serve.errors import BadRequestError, NotAcceptableError, UnsupportedTypeError
from mlberth_serve.frameworks.casts import cast
from mlberth_serve.media_types import CSV, JSON, NPY, MediaType, read_content_type

_ROWS = 4096
_CELL, _CHARACTER = 160, 8
"""What genfromtxt takes, in bytes: for a cell, and for each character of the longest, in every cell."""
_PLAIN = re.compile(r"[0-9eE+\-., \n]*")
TYPES = (JSON, CSV, NPY)
"""The types that the containers of scikit-learn and PyTorch read and write."""
CSV_WITH_CHARSET = "text/csv; charset=utf-8"
"""What Flask makes of text/csv."""


def read_json(text: str) -> Array:
    """Read JSON, NaN included, in the shape in which it was sent."""
    check_text(text)
    try:
        return to_plain_array(json.loads(text), len(text))
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not JSON of lists that are all of one length.") from None


def read_npy(body: bytes) -> Array:
    """Read .npy, without objects."""
    array: Array = npy.decode(body, MediaType(NPY, {})).array
    return array


def read_smc_csv(text: str) -> Array:
    """Read CSV without the dimensions that are 1 long: a row is one dimension, a cell none."""
    rows = csv.reader(io.StringIO(text), strict=True)
    parts = []
    try:
        while some := [*islice(rows, _ROWS)]:  # as Python's objects they take many times as much
            parts.append(np.array([[float(cell) for cell in row] for row in some]))
        return np.concatenate(parts).squeeze() if parts else np.array([])
    except (ValueError, csv.Error):
        raise BadRequestError("The body is not CSV of numbers in rows of one length.") from None


def read_sit_csv(text: str) -> Array:
    """Read CSV as numpy.genfromtxt does: comments left out, an empty cell 0 among whole numbers, else nan.

    Columns of several types, which are no array there, are floats here.
    """
    plain = read_plain(text.encode()) if _PLAIN.fullmatch(text) else None
    if plain is not None and plain.max() < EXACT_WHOLE and plain.min() > -EXACT_WHOLE:  # none is missing
        return plain.squeeze()
    cells = text.count(",") + text.count("\n") + 1
    check_size(_CELL * cells, len(text))
    longest = max(map(len, text.replace("\n", ",").split(",")))
    check_size(_CHARACTER * longest * cells, len(text))  # of text it makes each cell as long as the longest
    try:
        array: Array = np.genfromtxt(io.StringIO(text), dtype=None, delimiter=",")
        kinds = {array.dtype[name].kind for name in array.dtype.names or ()} or {array.dtype.kind}
        if array.dtype.names:
            array = np.genfromtxt(io.StringIO(text), delimiter=",")
    except (ValueError, IndexError, TypeError):  # TypeError: numpy 2.4 of text below a whole number
        raise BadRequestError("The body is not CSV of rows of one length.") from None
    if not kinds <= set("biuf"):
        raise BadRequestError("The CSV body holds something other than numbers.")
    return array


def to_float32(array: Array) -> Array:
    """Return numbers, and text of them, as the containers do; what would become infinite is refused."""
    try:
        return cast(array if array.dtype.kind in "biuf" else array.astype(float), np.float32)
    except (ValueError, TypeError):
        raise BadRequestError("The body holds something other than numbers.") from None


def write_json(value: Any) -> bytes:
    """Write JSON with spaces, NaN as it is in Python, and every digit of a float32."""
    return json.dumps(value, default=_to_list).encode()


def write_smc_csv(value: Any) -> bytes:
    """Write CSV, one dimension as a column."""
    array = np.array(value)
    _check_cells(array)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", strict=True).writerows(
        array.reshape(-1, 1) if array.ndim == 1 else array
    )
    return file.getvalue().encode()


def write_sit_csv(value: Any) -> bytes:
    """Write CSV as numpy.savetxt does, without quotes."""
    _check_cells(np.asarray(value))
    file = io.StringIO()
    np.savetxt(file, value, delimiter=",", fmt="%s")
    return file.getvalue().encode()


def check_type(body: str | bytes, content_type: str) -> str:
    """Return the bare name of a type that the container reads; raises RequestError, for an empty body too."""
    media_type = read_content_type(content_type)
    if media_type.name not in TYPES:
        raise UnsupportedTypeError(f"Content-Type is none of {', '.join(TYPES)}.")
    _ = media_type.codec  # its charset has to be known
    if not body:
        raise BadRequestError("The body is empty.")
    return media_type.name


def write_smc(prediction: Any, accept: str) -> tuple[bytes, str]:
    """Write a prediction as sagemaker-containers does; raises NotAcceptableError."""
    if accept == JSON:
        return write_json(prediction), JSON
    if accept == CSV:
        return write_smc_csv(prediction), CSV_WITH_CHARSET
    if accept == NPY:
        return npy.encode(prediction), NPY
    raise NotAcceptableError(f"Accept allows none of {JSON}, {CSV}, {NPY}.")


def _check_cells(array: Array) -> None:
    """Refuse what is no cell: there the text that Python prints of an object is written."""
    if array.dtype.kind in "OcV":
        to_rows(array)


def _to_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
