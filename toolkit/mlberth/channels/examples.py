"""Examples of recordio-protobuf: the message `aialgs.data.Record`, with features and labels as tensors.

Source: `record.proto` of the platform's algorithms. The numbers are arrays of Python's module `array`, which
numpy takes without a copy: `numpy.asarray(tensor.values)`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mlberth.protobuf import BYTES, read_fields, read_varints, write_bytes, write_varints

if TYPE_CHECKING:
    Numbers = array[Any]
else:
    Numbers = array  # which takes no parameters before Python 3.12

WIDEST = 2**28
"""How wide a sparse tensor may make itself; a few bytes in a file must not take all memory."""
VALUES = "values"
"""The name under which most programs keep the only tensor."""
_FEATURES, _LABEL, _UID, _METADATA, _CONFIGURATION = 1, 2, 3, 4, 5
_KEY, _VALUE = 1, 2
_NUMBERS, _KEYS, _SHAPE = 1, 2, 3
_TYPES = {2: "f", 3: "d", 7: "i"}
_KINDS = {typecode: kind for kind, typecode in _TYPES.items()}
_BLOB, _CONTENT_TYPE = 9, 2


class Tensor(NamedTuple):
    """Numbers, dense or sparse."""

    values: Numbers
    """float32 ("f"), float64 ("d") or int32 ("i")."""
    keys: Numbers | None = None
    """Of a sparse tensor: the position of each value, counted from 0."""
    shape: tuple[int, ...] = ()
    """How large it is, if it says so; a sparse vector has its width here."""

    def dense(self, width: int | None = None) -> Numbers:
        """Return all values of a vector, with zeros if a sparse one has none.

        Raises ValueError if it names no width, one that would take a gigabyte, or a position beyond it.
        """
        if self.keys is None:
            return self.values
        if width is None:
            width = self.shape[0] if self.shape else WIDEST + 1
            if width > WIDEST:
                found = f"of the width {width}" if self.shape else "without a shape"
                raise ValueError(f"a sparse tensor {found}; expected dense(width)")
        if len(self.keys) and max(self.keys) >= width:
            raise ValueError(f"the position {max(self.keys)} in a sparse tensor; expected less than {width}")
        whole = array(self.values.typecode, bytes(width * self.values.itemsize))
        for key, value in zip(self.keys, self.values, strict=True):
            whole[key] = value
        return whole


class Example(NamedTuple):
    """One example: tensors, or the bytes of a file, by name."""

    features: dict[str, Tensor | bytes]
    labels: dict[str, Tensor | bytes]
    uid: str = ""
    metadata: str = ""
    configuration: str = ""

    @property
    def values(self) -> Numbers:
        """The features of an example that has one dense tensor, under the name `values`."""
        return _only(self.features, "features").dense()

    @property
    def label(self) -> float | int | None:
        """The label of an example that has one number for it, or None."""
        numbers = _only(self.labels, "label").values if self.labels else array("f")
        return numbers[0] if len(numbers) else None


def read_example(record: bytes) -> Example:
    """Return the example in a record; raises ValueError for one that is damaged."""
    tensors: dict[int, dict[str, Tensor | bytes]] = {_FEATURES: {}, _LABEL: {}}
    texts = {_UID: "", _METADATA: "", _CONFIGURATION: ""}
    for number, wire, content in read_fields(memoryview(record)):
        if wire == BYTES and number in tensors:
            entry = {field: part for field, _, part in read_fields(content)}
            name = bytes(entry.get(_KEY, b"")).decode()
            tensors[number][name] = _read_value(entry.get(_VALUE, memoryview(b"")), name)
        elif wire == BYTES and number in texts:
            texts[number] = bytes(content).decode()
    return Example(tensors[_FEATURES], tensors[_LABEL], texts[_UID], texts[_METADATA], texts[_CONFIGURATION])


def write_example(
    features: Mapping[str, Tensor | bytes] | Iterable[float],
    label: float | None = None,
    *,
    labels: Mapping[str, Tensor | bytes] | None = None,
    uid: str = "",
    metadata: str = "",
) -> bytes:
    """Return the record of an example: numbers and one label, or tensors by name.

    Whole numbers become int32, others float32; an array of type "d" stays float64.
    """
    named = features if isinstance(features, Mapping) else {VALUES: to_tensor(features)}
    labelled = labels or ({VALUES: to_tensor([label])} if label is not None else {})
    texts = {_UID: uid, _METADATA: metadata}
    return b"".join(
        [
            *(_write_entry(_FEATURES, name, value) for name, value in named.items()),
            *(_write_entry(_LABEL, name, value) for name, value in labelled.items()),
            *(write_bytes(number, text.encode()) for number, text in texts.items() if text),
        ]
    )


def to_tensor(
    numbers: Iterable[float], keys: Sequence[int] | None = None, width: int | None = None
) -> Tensor:
    """Return numbers as a tensor; with `keys` a sparse one."""
    if not isinstance(numbers, array) or numbers.typecode not in _KINDS:
        found = numbers.tolist() if hasattr(numbers, "tolist") else list(numbers)
        whole = all(isinstance(number, int) for number in found)
        numbers = array("i" if whole else _float_type(numbers), found)
    shape = (width,) if width is not None else ()
    return Tensor(numbers, None if keys is None else array("Q", keys), shape)


def _float_type(numbers: object) -> str:
    """Return "d" for an array of float64, of numpy or of Python, else "f"."""
    kind = getattr(numbers, "typecode", None) or getattr(getattr(numbers, "dtype", None), "char", "f")
    return "d" if kind == "d" else "f"


def _only(tensors: Mapping[str, Tensor | bytes], what: str) -> Tensor:
    tensor = tensors.get(VALUES) or (next(iter(tensors.values())) if len(tensors) == 1 else None)
    if isinstance(tensor, Tensor):
        return tensor
    found = f"{what} under the names {', '.join(tensors) or 'none'}"
    raise ValueError(f"{found}; expected one tensor, or one that is called 'values'")


def _read_value(value: memoryview, name: str) -> Tensor | bytes:
    for kind, wire, content in read_fields(value):
        if wire == BYTES and kind in _TYPES:
            return _read_tensor(_TYPES[kind], content)
        if wire == BYTES and kind == _BLOB:
            return b"".join(bytes(part) for field, _, part in read_fields(content) if field != _CONTENT_TYPE)
    raise ValueError(
        f"nothing under the name {name!r}; expected a tensor of float32, float64 or int32, or bytes"
    )


def _read_tensor(typecode: str, tensor: memoryview) -> Tensor:
    parts: dict[int, memoryview | bytes] = {}
    for number, _, part in read_fields(tensor):  # a packed number, and one that is not, have the same bytes
        parts[number] = bytes(parts[number]) + bytes(part) if number in parts else part
    packed = parts.get(_NUMBERS, b"")
    keys = list(read_varints(memoryview(parts.get(_KEYS, b""))))
    shape = tuple(read_varints(memoryview(parts.get(_SHAPE, b""))))
    values: Numbers = array(typecode)
    if typecode == "i":
        try:
            values.extend(number - (number >> 63 << 64) for number in read_varints(memoryview(packed)))
        except OverflowError:
            raise ValueError("a whole number of more than 32 bits in a tensor of 32") from None
    elif len(packed) % values.itemsize:
        raise ValueError("a tensor that breaks off")
    else:
        values.frombytes(packed)
        if sys.byteorder == "big":
            values.byteswap()
    sparse = bool(keys) or (bool(shape) and not len(values))
    if sparse and len(keys) != len(values):
        raise ValueError(f"a sparse tensor of {len(values)} values and {len(keys)} keys")
    return Tensor(values, array("Q", keys) if sparse else None, shape)


def _write_entry(field: int, name: str, value: Tensor | bytes) -> bytes:
    if isinstance(value, bytes):
        content = write_bytes(_BLOB, write_bytes(_NUMBERS, value))
    else:
        numbers = value.values
        if numbers.typecode == "i":
            packed = write_varints(map(int, numbers))
        else:
            if sys.byteorder == "big":
                numbers = array(numbers.typecode, numbers)
                numbers.byteswap()
            packed = numbers.tobytes()
        # What is empty is left out, as protobuf's own writer does.
        tensor = write_bytes(_NUMBERS, packed) if packed else b""
        if value.keys:
            tensor += write_bytes(_KEYS, write_varints(value.keys))
        if value.shape:
            tensor += write_bytes(_SHAPE, write_varints(value.shape))
        content = write_bytes(_KINDS[numbers.typecode], tensor)
    return write_bytes(field, write_bytes(_KEY, name.encode()) + write_bytes(_VALUE, content))
