"""recordio-protobuf outside a server: training files, and bodies that a program makes.

A record has features and labels, each a tensor under the name `values`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mlberth.protobuf import read_fields, read_varints, write_bytes, write_varints
from mlberth.recordio import RecordIOError, read_frames, write_frame

_FEATURES, _LABEL = 1, 2
_TENSORS = (_FEATURES, _LABEL)
_KEY, _VALUE = 1, 2
_VALUES, _KEYS, _SHAPE = 1, 2, 3
_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7
_NAME = b"values"
_DAMAGED = "the recordio-protobuf is damaged; expected whole frames of tensors"


class Records(NamedTuple):
    """What a file holds."""

    features: Any
    """An array with a row for each record, or a csr_matrix if one of them is sparse."""
    labels: Any
    """An array with a number for each record, or None."""


def read(data: bytes) -> Records:
    """Return the rows of all frames, and their labels if each has one; raises ValueError."""
    import numpy as np

    rows, labels = [], []
    for record in _frames(memoryview(data)):
        try:
            tensors = dict(_tensors(record))
        except ValueError as error:
            raise ValueError(f"{_DAMAGED} ({error})") from None
        if _FEATURES not in tensors:
            raise ValueError('a record has no features under "values"')
        rows.append(tensors[_FEATURES])
        if _LABEL in tensors:
            labels.append(tensors[_LABEL][0])
    if not rows:
        raise ValueError("no records in the recordio-protobuf")
    if labels and len(labels) != len(rows):
        raise ValueError(f"{len(labels)} of {len(rows)} records have a label; expected all or none")
    widths = {len(values) for values, keys, _ in rows if keys is None}
    if len(widths) > 1:
        raise ValueError("the records are not all of one length")
    if all(keys is None for _, keys, _ in rows):
        features = np.stack([values for values, _, _ in rows])
    else:
        features = _sparse(rows, widths)
    return Records(features, np.concatenate(labels) if labels else None)


def write(array: Any, labels: Any = None) -> bytes:
    """Return a frame for each row of an array or a sparse matrix, with its label if there are any."""
    import numpy as np

    if labels is not None and np.shape(labels) != (array.shape[0],):
        raise ValueError(f"labels of the shape {np.shape(labels)}; expected ({array.shape[0]},)")
    if hasattr(array, "tocsr"):
        rows = array.tocsr()
        ends = [slice(*pair) for pair in zip(rows.indptr, rows.indptr[1:], strict=False)]
        tensors = [_tensor(rows.data[cut], rows.indices[cut], rows.shape[1]) for cut in ends]
    else:
        tensors = [_tensor(row) for row in array]
    frames = []
    for place, tensor in enumerate(tensors):
        record = _entry(_FEATURES, tensor)
        if labels is not None:
            record += _entry(_LABEL, _tensor(np.asarray(labels)[place : place + 1]))
        frames.append(write_frame(record))
    return b"".join(frames)


def _sparse(rows: list[Any], widths: set[int]) -> Any:
    import numpy as np
    from scipy import sparse

    columns = [np.arange(len(values)) if keys is None else keys for values, keys, _ in rows]
    width = max(
        *widths,
        *(shape or 0 for _, _, shape in rows),
        *(int(keys.max()) + 1 for keys in columns if len(keys)),
        0,
    )
    starts = np.cumsum([0, *(len(keys) for keys in columns)])
    values = np.concatenate([values for values, _, _ in rows])
    return sparse.csr_matrix((values, np.concatenate(columns), starts), shape=(len(rows), width))


def _frames(data: memoryview) -> Iterator[memoryview]:
    try:
        yield from read_frames(data)
    except RecordIOError:
        raise ValueError(_DAMAGED) from None


def _tensors(record: memoryview) -> Iterator[tuple[int, Any]]:
    for number, _, entry in read_fields(record):
        parts = {field: part for field, _, part in read_fields(entry)} if number in _TENSORS else {}
        if bytes(parts.get(_KEY, b"")) == _NAME:
            for kind, _, tensor in read_fields(parts.get(_VALUE, memoryview(b""))):
                if kind in {_FLOAT32, _FLOAT64, _INT32}:
                    yield number, _numbers(kind, tensor)


def _numbers(kind: int, tensor: memoryview) -> tuple[Any, Any, int | None]:
    """Return values, columns (None for a dense tensor) and width."""
    import numpy as np

    parts: dict[int, bytes] = {}
    for number, _, part in read_fields(tensor):  # numbers that are not packed come one a field
        parts[number] = parts.get(number, b"") + bytes(part)
    packed = parts.get(_VALUES, b"")
    if kind == _INT32:
        numbers = read_varints(memoryview(packed))
        values = np.array([number - (number >> 63 << 64) for number in numbers], np.int32)
    elif len(packed) % (4 if kind == _FLOAT32 else 8):
        raise ValueError(_DAMAGED)
    else:
        values = np.frombuffer(packed, "<f4" if kind == _FLOAT32 else "<f8")
    shape = list(read_varints(memoryview(parts.get(_SHAPE, b""))))
    width = shape[0] if shape else None
    sparse = _KEYS in parts or bool(width and not len(values))
    keys = list(read_varints(memoryview(parts.get(_KEYS, b""))))
    return values, np.array(keys, np.int64) if sparse else None, width


def _entry(field: int, tensor: bytes) -> bytes:
    return write_bytes(field, write_bytes(_KEY, _NAME) + write_bytes(_VALUE, tensor))


def _tensor(values: Any, keys: Any = None, width: int = 0) -> bytes:
    import numpy as np

    if values.dtype.kind in "biu":
        whole = values.astype(np.int32)
        if not (whole == values).all():
            raise ValueError("a recordio tensor holds whole numbers of 32 bits")
        kind, packed = _INT32, write_varints(whole.tolist())
    elif values.dtype.kind == "f":
        kind = _FLOAT32 if values.dtype.itemsize <= 4 else _FLOAT64
        packed = values.astype("<f4" if kind == _FLOAT32 else "<f8").tobytes()
    else:
        raise ValueError(f"Unsupported dtype {values.dtype} on array")
    tensor = write_bytes(_VALUES, packed)
    if keys is not None:
        tensor += write_bytes(_KEYS, write_varints(keys.tolist()))
        tensor += write_bytes(_SHAPE, write_varints([width]))
    return write_bytes(kind, tensor)
