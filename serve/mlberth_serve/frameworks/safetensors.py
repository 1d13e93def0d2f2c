"""safetensors: tensors by name, in a file that can run nothing. They are no model by themselves.

A file is the length of its header (8 bytes, little endian), the header (JSON: for each tensor its type,
shape and place), and the tensors. Nothing is allocated for a header that lies: the tensors of one that
holds together are mapped from the file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.frameworks.base import refuse_model

SUFFIX = ".safetensors"
_LENGTH = 8
_LONGEST_HEADER = 100_000_000
_METADATA = "__metadata__"
_BF16 = "BF16"
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    _BF16: "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def read_tensors(path: Path | str) -> dict[str, Array]:
    """Return the tensors of a file by name, read from the disk as they are used.

    For a `model_fn` that builds a module and fills it. bfloat16, which numpy has not, becomes float32.
    Raises ModelLoadError for a file that is not what it says.
    """
    path = Path(path)
    header, start = _read_header(path)
    tensors = {name: _place(path, name, header[name]) for name in header if name != _METADATA}
    _check_places(path, {name: place for name, (_, _, place) in tensors.items()}, start)
    # Of bytes, since numpy maps no file of none.
    mapped = np.memmap(path, np.uint8, "r")
    return {
        name: _view(mapped[start + begin : start + end], kind, shape)
        for name, (kind, shape, (begin, end)) in tensors.items()
    }


def refuse_alone(path: Path) -> NoReturn:
    """Raise ModelLoadError: for a damaged file that says so, and for a whole one since it is no model."""
    count = len(read_tensors(path))
    refuse_model(
        path,
        f"{count} tensors without the module that they belong to",
        "a whole model",
        "Build the module in a model_fn of your own and fill it by "
        "mlberth_serve.frameworks.safetensors.read_tensors or the safetensors package.",
    )


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header and where the tensors begin."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if size < _LENGTH or length > min(_LONGEST_HEADER, size - _LENGTH):
            _refuse(path, f"a header of {length} bytes in a file of {size}")
        text = file.read(length)
    try:
        header = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"a header that is no JSON: {type(error).__name__}: {error}")
    if not isinstance(header, dict):
        _refuse(path, f"a header that is a {type(header).__name__}")
    return header, _LENGTH + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands there twice")
    return members


def _place(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    """Return a tensor's type, shape and place among the tensors, which fit each other."""
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        is_whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    except (TypeError, ValueError, KeyError):
        is_whole = False
    if not is_whole:
        _refuse(path, f"no type, shape and place of the tensor {name!r}")
    if kind not in _TYPES:
        _refuse(path, f"a tensor {name!r} of type {kind!r}")
    if end - begin != math.prod(shape) * np.dtype(_TYPES[kind]).itemsize:
        _refuse(path, f"a tensor {name!r} whose place does not fit its shape")
    return kind, shape, (begin, end)


def _check_places(path: Path, places: dict[str, tuple[int, int]], start: int) -> None:
    """Refuse tensors that overlap, leave something out, or reach beyond the file's end."""
    at = 0
    for name, (begin, end) in sorted(places.items(), key=lambda item: item[1]):
        if begin != at:
            _refuse(path, f"a tensor {name!r} that {'overlaps another' if begin < at else 'leaves a hole'}")
        at = end
    if start + at != path.stat().st_size:
        _refuse(path, f"{at} bytes of tensors; the file has {path.stat().st_size - start}")


def _view(mapped: Array, kind: str, shape: tuple[int, ...]) -> Array:
    # What begins at an odd place is copied: numpy's arithmetic wants numbers at multiples of their size.
    array = np.require(mapped.view(_TYPES[kind]), requirements=["A"]).reshape(shape)
    if kind == _BF16:
        return (array.astype("<u4") << 16).view("<f4")
    return array


def _refuse(path: Path, found: str) -> NoReturn:
    refuse_model(path, found, "a file that the safetensors package wrote")
