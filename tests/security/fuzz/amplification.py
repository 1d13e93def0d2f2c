"""Small bodies that ask for much, and what reading one takes, in a process of its own."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tests.serve.codecs.tiff import tiff_of_strips

from mlberth.protobuf import write_bytes, write_varint
from mlberth_serve.codecs import recordio

MEGABYTE = 1 << 20
_MOST = 6 << 30
"""How much address space a reader gets: what asks for more fails, and is seen to."""

_LONGEST = 60 * MEGABYTE
"""What is packed: more would take long to make, and no longer to refuse."""

Body = tuple[str, bytes]
Choice = TypeVar("Choice")

_CSV = (
    b"a\n", b"1\n", b"ab,", b",", b"1,", b"\n", b"-0\n", b'"a"\n', b'"\n', b"\r", b"a,b\n", b"1.5,x\n",
    b"nan\n", b"1a\n", b" \n",
)  # fmt: skip
_UNITS = {
    "application/json": (
        b"1", b"[]", b"[1]", b"{}", b'""', b'"a"', b"null", b"1.5", b"[[1]]", b"true", b'{"a":1}', b"[1,2,3]",
        b'{"features":[1]}', b'{"data":{"features":{"values":[1],"shape":[1]}}}', b"12345", b"1e400",
        b"[null]", b'{"data":{"features":{"keys":[0],"values":[1]}}}', b'{"a":"x:y"}',
    ),
    "application/jsonlines": (
        b"1\n", b"[1]\n", b"[]\n", b'"a"\n', b"1.5\n", b"null\n", b"12\n", b'{"features":[1]}\n',
        b'{"a":1}\n', b"\n", b"[1,2,3]\n",
    ),
    "text/csv": _CSV,
    "text/csv; header=present": _CSV,
    "text/libsvm": (
        b"1\n", b"1:1\n", b"1:1 2:1\n", b"\n", b"#\n", b"1 qid:1\n", b"0:1 ", b"1 ", b":", b"2147483646:1\n",
        b"1 1:1 # a\n", b"\r",
    ),
}  # fmt: skip
"""What bodies of text repeat."""


class Cost(NamedTuple):
    """What reading a body took."""

    megabytes: int
    """By how much the process grew."""
    seconds: float
    """Of the CPU."""
    ended: str


def measure(work: Callable[[], Any]) -> Cost:
    """Run something in a child process, and return what it took there."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(_work(work)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return Cost(*json.loads(said)) if said else Cost(_MOST // MEGABYTE, 0.0, "died")


def _work(work: Callable[[], Any]) -> Cost:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST, _MOST))
    before, began = _peak(), time.process_time()
    try:
        work()
        ended = "read"
    except Exception as error:  # noqa: BLE001 - what it is is judged by the test
        status = getattr(error, "status", None)
        ended = str(status) if status else repr(error)[:200]
    return Cost(_peak() - before, time.process_time() - began, ended)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class Maker:
    """Makes bodies of up to `size` bytes; how they are made is chosen by chance."""

    def __init__(self, chance: random.Random, size: int) -> None:
        self._chance = chance
        self._size = size

    def make(self) -> Body:
        """Return a content type and a body."""
        packed = (self._npy, self._npz, self._recordio, self._parquet, self._image, self._gzip)
        return self._pick(self._text, self._text, self._text, *packed)()

    def make_rows(self) -> Body:
        """Return a body of rows: text, or numbers in a form of their own."""
        return self._pick(self._text, self._text, self._text, self._npy, self._npz, self._recordio)()

    def _fill(self, unit: bytes) -> bytes:
        return unit * max(1, self._size // len(unit))

    def _pick(self, *choices: Choice) -> Choice:
        return self._chance.choice(choices)

    def _text(self) -> Body:
        name = self._pick(*_UNITS)
        if name == "application/json":
            return name, self._json()
        body = self._fill(self._pick(*_UNITS[name]))
        if self._chance.random() < 0.4:  # one cell unlike the others, and one that is long
            body += self._pick(
                b"a", b"x" * (self._size // 2), b'"' + b"y" * 1000 + b'"', b"-0", b"1_0", b"\xc3\xa9"
            )
        if self._chance.random() < 0.3:
            body = self._pick(b"a,b\n", b"1\n", b"[1]\n", b"1 2:1\n", b"-0\n", b"\xc3\xa9\n") + body
        return name, body

    def _json(self) -> bytes:
        unit = self._pick(*_UNITS["application/json"])
        cells = b",".join([unit] * max(1, self._size // (len(unit) + 1)))
        long = b',"' + b"a" * (self._size // 2) + b'"'
        deep = b"," + b"[" * 500 + b"]" * 500
        extra = self._pick(b"", b"", long, b',"b"', b",[1]", b",null", b",1.5", b',{"a":1}', deep)
        body = b"[" + cells + extra + b"]"
        nested = b"[" * 60 + body + b"]" * 60
        return self._pick(
            body, body, b'{"instances":' + body + b"}", b"[" + body + b"," + body + b"]", nested
        )

    def _npy(self) -> Body:
        sizes = self._pick(
            b"0, 99999999999999999",
            b"99999999999,",
            b"1, " * (self._size // 3),
            b"1," * 60,
            b"-1,",
            b"0," * 32,
        )
        kind = self._pick(b"<f8", b"|b1", b"<U100000", b"|S1", b">f4", b"|O", b"<f16")
        head = b"{'descr': '" + kind + b"', 'fortran_order': False, 'shape': (" + sizes + b"), }"
        if self._chance.random() < 0.3:
            head = b"{" + b"(" * 3000
        head += b" " * self._pick(0, 10, 60) + b"\n"
        length = struct.pack("<H", min(len(head), 65535))
        return "application/x-npy", b"\x93NUMPY\x01\0" + length + head + bytes(self._pick(0, 8, 1000))

    def _npz(self) -> Body:
        file = io.BytesIO()
        count = self._pick(1, 1, 5, 2000)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(count):
                with archive.open(f"a{number}.npy", "w") as entry:
                    np.lib.format.write_array_header_1_0(
                        entry, {"descr": "|u1", "fortran_order": False, "shape": (self._size,)}
                    )
                    if count < 10:
                        entry.write(bytes(min(self._pick(1, 100, 400) * self._size, 5 * _LONGEST)))
        body = bytearray(file.getvalue())
        if self._chance.random() < 0.6:  # the table says that they are small
            at = body.rfind(b"PK\1\2")
            struct.pack_into("<I", body, at + 24, self._pick(100, 1000, 2**31))
        return "application/x-npz", bytes(body)

    def _recordio(self) -> Body:
        number = self._pick(2, 3, 7)
        packed = self._pick(b"", b"\1", bytes(8), b"\xff" * 9 + b"\1")
        tensor = write_bytes(1, packed) * self._pick(1, 1, 3)
        if self._chance.random() < 0.5:
            tensor += write_bytes(2, self._pick(b"\0", b"\1", b"\0\1")) + write_bytes(
                3, write_varint(self._pick(5, 2**31 - 1))
            )
        if self._chance.random() < 0.2:
            tensor = self._fill(b"\x0d\0\0\0\0")
        if self._chance.random() < 0.1:
            tensor = self._fill(self._pick(b"\x12\0", b"\x08\1"))
        record = write_bytes(1, write_bytes(1, b"values") + write_bytes(2, write_bytes(number, tensor)))
        frame = struct.pack("<II", 0xCED7230A, len(record)) + record + bytes(-len(record) % 4)
        body = self._fill(frame)
        if self._chance.random() < 0.3:
            body += recordio.encode(np.ones((1, 3)))
        return "application/x-recordio-protobuf", body

    def _parquet(self) -> Body:
        import pyarrow as pa
        from pyarrow import parquet

        count = self._pick(1000, 65_536, 1_000_000, 20_000_000)
        places = pa.array(np.zeros(count, np.int32))
        value = self._pick("a", "x" * 1000, "x" * 1_000_000, None, 1.5, True, 7)
        column = pa.array([value]).take(places) if count * len(str(value)) < 30_000_000 else None
        if column is None and value is None:
            column = pa.nulls(count, pa.float64())
        elif column is None:
            column = pa.DictionaryArray.from_arrays(places, pa.array([value]))
        options: dict[str, Any] = {
            "compression": self._pick("gzip", "zstd", "none"),
            "store_schema": self._pick(True, False),
        }
        if isinstance(value, str) and self._chance.random() < 0.3:
            column = pa.array([value + str(number) for number in range(min(count, 30_000_000 // len(value)))])
            options |= {
                "use_dictionary": False,
                "column_encoding": {"a": self._pick("DELTA_BYTE_ARRAY", "PLAIN")},
            }
        file = io.BytesIO()
        columns = {"a": column}
        if self._chance.random() < 0.2:
            columns = {str(number): column.slice(0, 10) for number in range(self._size // 2000 + 1)}
            options.pop("column_encoding", None)
        parquet.write_table(pa.table(columns), file, **options)
        return "application/x-parquet", file.getvalue()

    def _image(self) -> Body:
        from PIL import Image

        name = self._pick("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")
        mode = self._pick("RGB", "L", "P", "RGBA") if name in {"PNG", "TIFF"} else self._pick("RGB", "L")
        width, height = self._pick(
            (64, 64), (3000, 3000), (8000, 5000), (16_000, 5000), (1, 65_000), (16_383, 5400)
        )
        if name == "BMP":
            width, height = min(width, 3000), min(height, 3000)
        file = io.BytesIO()
        forms: tuple[dict[str, Any], ...] = ({}, {"progressive": True}, {"lossless": True})
        options = self._pick(*forms, {"compression": "tiff_deflate"})
        width, height = (min(width, 16_383), min(height, 16_383)) if name == "WEBP" else (width, height)
        Image.new(mode, (width, height)).save(file, name, **options)
        body = file.getvalue()
        if name == "JPEG":
            body = self._jpeg(body)
        elif name == "PNG" and self._chance.random() < 0.5:
            unit = self._pick(
                _chunk(b"teSt", b""),
                _chunk(b"tEXt", b"a\0b"),
                _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(MEGABYTE))),
                _chunk(b"IDAT", b""),
            )
            body = body[:33] + self._fill(unit) + body[33:]
        elif name == "GIF" and self._chance.random() < 0.5:
            start = body.index(b",\0\0\0\0")
            body = (
                body[:start]
                + self._fill(self._pick(b"\x21\xfe\x01c\0", b"\x21\xff\x01a\0", b"\x21\xf9\4\0\0\0\0\0"))
                + body[start:]
            )
        elif name == "TIFF" and self._chance.random() < 0.5:
            body = self._tiff()
        return self._pick(f"image/{name.lower()}", "application/x-image"), body

    def _jpeg(self, body: bytes) -> bytes:
        last = body.rindex(b"\xff\xda")
        return self._pick(
            body,
            body[:-2] + self._fill(body[last:-2]) + body[-2:] if len(body) - last < 10_000 else body,
            body[:2] + self._fill(self._pick(b"\xff\xe5\0\2", b"\xff\xfe\0\2", b"\xff")) + body[2:],
        )

    def _tiff(self) -> bytes:
        many = 2000 if self._chance.random() < 0.5 else 0
        return tiff_of_strips(self._size // 4, more=many, more_values=self._size // 5)

    def _gzip(self) -> Body:
        parts = self._pick(
            [bytes(min(self._size * 500, _LONGEST))],
            [b""] * (self._size // 20),
            [b"[" + b"1," * min(self._size * 20, _LONGEST // 2)],
        )
        return "gzip", b"".join(gzip.compress(part, 9) for part in parts)
