"""`application/x-recordio-protobuf`: frames of RecordIO that each hold one `aialgs.data.Record`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlberth.protobuf import BYTES, ProtobufError, read_fields, write_bytes, write_varint
from mlberth.recordio import HEAD, MARK, RecordIOError, read_frames, write_frame
from mlberth_serve.codecs.base import Array, Decoded, check_size
from mlberth_serve.codecs.protobuf import read_varints
from mlberth_serve.codecs.sparse import WIDEST, Row, to_csr
from mlberth_serve.codecs.values.arrays import as_array
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

FEATURES, LABEL = 1, 2
_KEY, _VALUE = 1, 2
_VALUES, _KEYS, _SHAPE = 1, 2, 3
_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7
_TENSORS = {_FLOAT32: "<f4", _FLOAT64: "<f8", _INT32: "i4"}
_NAME = b"values"
_RECORD = 1024
"""What a record takes as Python's objects, in bytes, while the rows are made of it."""


# A frame is a row, the tensor `values` of the record's features: float32, float64 or int32, dense or sparse
# (with keys). Labels are left out. One sparse row makes all of them sparse.
def decode(body: bytes, media_type: MediaType) -> Decoded:  # noqa: ARG001 - a codec's signature
    """Return the rows of a body: an array of shape (rows, columns), or a csr_matrix."""
    alike = _read_alike(body)
    if alike is not None:
        return Decoded(alike)
    check_size(_RECORD * body.count(MARK), len(body))
    rows = [_read_record(record) for record in _read_frames(memoryview(body))]
    if not rows:
        raise BadRequestError("The recordio body holds no records.")
    dense = [row for row in rows if not isinstance(row, Row)]
    if len(dense) < len(rows):
        return Decoded(to_csr([row if isinstance(row, Row) else _to_sparse(row) for row in rows]))
    if len({len(row) for row in dense}) > 1:
        raise BadRequestError("The records of the body are not all of one length.")
    return Decoded(np.stack(dense))


# A row a frame, a one-dimensional array a value a frame: float32 and float64 as they are, whole numbers and
# booleans as int32; a sparse matrix as sparse tensors.
def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions, or a sparse matrix, a frame a row."""
    if hasattr(value, "tocsr"):
        rows = value.tocsr()
        slices = [slice(*pair) for pair in zip(rows.indptr, rows.indptr[1:], strict=False)]
        tensors = [write_tensor(rows.data[cut], rows.indices[cut], rows.shape[1]) for cut in slices]
    else:
        array = np.atleast_1d(as_array(value))
        if array.ndim > 2:
            raise ValueError(f"a recordio record holds one dimension, not {array.ndim - 1}")
        tensors = [write_tensor(row) for row in array.reshape(len(array), -1)]
    return b"".join(write_record(FEATURES, {"values": tensor}) for tensor in tensors)


def write_record(field: int, tensors: Mapping[str, bytes]) -> bytes:
    """Return the frame of a record with tensors under FEATURES or LABEL."""
    record = b"".join(
        write_bytes(field, write_bytes(_KEY, name.encode()) + write_bytes(_VALUE, tensor))
        for name, tensor in tensors.items()
    )
    return write_frame(record)


def write_tensor(values: Array, keys: Sequence[int] | None = None, width: int = 0) -> bytes:
    """Return a Value message; with keys, a sparse tensor of that width."""
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind in "biu":
        whole = values.astype(np.int32)
        if not (whole == values).all():
            raise ValueError("a recordio tensor holds whole numbers of 32 bits")
        number, packed = _INT32, b"".join(map(write_varint, whole.tolist()))
    elif values.dtype in {np.dtype(np.float32), np.dtype(np.float64)}:
        number = _FLOAT32 if values.dtype == np.float32 else _FLOAT64
        packed = values.astype(_TENSORS[number]).tobytes()
    else:
        raise TypeError(f"a recordio tensor holds no {values.dtype}")
    tensor = write_bytes(_VALUES, packed)
    if keys is not None:
        tensor += write_bytes(_KEYS, b"".join(write_varint(int(key)) for key in keys))
        tensor += write_bytes(_SHAPE, write_varint(width))
    return write_bytes(number, tensor)


def _read_frames(body: memoryview) -> Iterator[memoryview]:
    try:
        yield from read_frames(body)
    except RecordIOError as error:
        raise BadRequestError(f"The recordio body {error}.") from None


def _read_alike(body: bytes) -> Array | None:
    """Return the rows of records that differ in their floats alone, read at once; None for others."""
    size = HEAD.size + int.from_bytes(body[4:8], "little")
    size += -size % 4
    if len(body) < 2 * size or len(body) % size:
        return None
    frames = np.frombuffer(body, np.uint8).reshape(-1, size)
    first = next(_read_frames(memoryview(body)))
    try:
        values = _read_record(first)
    except BadRequestError:
        return None
    if isinstance(values, Row) or values.dtype.kind != "f" or values.base is None or not values.size:
        return None
    start = values.__array_interface__["data"][0] - frames.__array_interface__["data"][0]
    end = start + values.nbytes
    if not 0 < start < end <= size:  # they are not in the body itself
        return None
    if not ((frames[:, :start] == frames[0, :start]).all() and (frames[:, end:] == frames[0, end:]).all()):
        return None
    return np.ascontiguousarray(frames[:, start:end]).view(values.dtype)


def _read_record(record: memoryview) -> Array | Row:
    try:
        return _read_features(record)
    except ProtobufError as error:
        raise BadRequestError(f"The body holds {error}.") from None


def _read_features(record: memoryview) -> Array | Row:
    for number, wire, entry in read_fields(record):
        if number == FEATURES and wire == BYTES:
            fields = {field: value for field, wire, value in read_fields(entry) if wire == BYTES}
            if bytes(fields.get(_KEY, b"")) == _NAME and _VALUE in fields:
                return _read_value(fields[_VALUE])
    raise BadRequestError('A record of the body has no features under "values".')


def _read_value(value: memoryview) -> Array | Row:
    for number, wire, tensor in read_fields(value):
        if number in _TENSORS and wire == BYTES:
            return _read_tensor(tensor, np.dtype(_TENSORS[number]))
    raise BadRequestError("A record of the body holds no tensor of numbers.")


def _read_tensor(tensor: memoryview, dtype: np.dtype[Any]) -> Array | Row:
    parts: dict[int, memoryview | bytearray] = {}
    for number, _, part in read_fields(tensor):  # a packed number, and one that is not, have the same bytes
        found = parts.get(number)
        if found is None:
            parts[number] = part
        elif isinstance(found, bytearray):
            found += part
        else:
            parts[number] = bytearray(found) + part
    packed, keys, shape = (memoryview(parts.get(number, b"")) for number in (_VALUES, _KEYS, _SHAPE))
    if dtype == np.int32:
        whole = read_varints(packed).view(np.int64)  # as a negative one is written
        values = whole.astype(np.int32)
        if (values != whole).any():
            lost = int(whole[(values != whole).argmax()])
            raise BadRequestError(f"A tensor of 32 bits in the body holds {lost}, which has more.")
    elif len(packed) % dtype.itemsize:
        raise BadRequestError("A tensor of the body breaks off.")
    else:
        values = np.frombuffer(packed, dtype)
    width = int(read_varints(shape)[0]) if shape else None
    if keys or (width and not len(values)):
        columns = read_varints(keys)
        if len(columns) and columns.max() > WIDEST:
            raise BadRequestError("A sparse row of the body has a column that cannot be.")
        return Row(columns.astype(np.int64), values, width)
    return values


def _to_sparse(row: Array) -> Row:
    return Row(np.arange(len(row)), row, None)
