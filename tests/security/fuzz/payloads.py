"""Bodies made by chance for every media type that is read: right in places, damaged in others."""

from __future__ import annotations

import gzip
import io
import pickle
import random
from typing import Any

import numpy as np
from tests.security.fuzz.fuzzing import mutated

from mlberth_serve.codecs import CODECS, READERS
from mlberth_serve.codecs.base import Array

IMAGES = [name for name in CODECS if name.startswith("image/")]
_TEXT_WORDS = [
    b",", b'"', b"'", b"\n", b"\r", b"\r\n", b"\0", b":", b"[", b"]", b"{", b"}", b"#", b"nan", b"inf",
    b"-", b"1e999", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"1_0", b"0x1", b"qid:1", b"-1:1",
    b"99999999999:1", b"1:", b"\\ud800", b'{"features":', b'"instances":', b'"keys":', b'"shape":[-1],',
    b'"shape":[99999999999],', b"9" * 500, b"null", b"true", b"[" * 300, b"1," * 300, b"\xe2\x80\xa8",
    b"\x1e",
]  # fmt: skip
_BINARY_WORDS = [
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80",
    b"\xff" * 9 + b"\x01", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY\x01\0",
    b"\x93NUMPY\x03\0", b"(99999999999,)", b"'|O'", b"'descr': '<f8'", b"'<M8[s]'", b"-1", b"PAR1",
    b"\x0a\x23\xd7\xce", b"\x0a\x80\x80\x80\x80\x08", b"IHDR", b"IDAT", b"\x00" * 64,
]  # fmt: skip
_TEXTS = [
    b"1,2,3\n4,5,6\n", b'a,"b ""c""",3\n', b"1.5,,x\n", b"[[1,2],[3,4]]",
    b'{"instances": [[1, null], [2, "a"]]}',
    b'{"instances": [{"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1.0, 2.0]}}}]}',
    b'{"inputs": [1, 2]}', b"[1,2]\n[3,4]\n", b'{"features": [1, 2]}\n{"features": [3, 4]}\n',
    b"1 0:1 5:2.5\n0 1:3\n", b"0:1 2:3 # c\n", b"\xef\xbb\xbf1,2\n", b"[]", b"", b"\n", b"[[[[1]]]]",
    b'"x"', b"1;2\n",
]  # fmt: skip
_PARAMETERS = ["", "", "", "", "; charset=utf-8", "; charset=latin-1", "; charset=utf-16", "; header=present"]


class Marks:
    """What writes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({self.path!r}, 'w').close()",)


def pickles(path: str) -> dict[str, bytes]:
    """Return bodies that write the file at `path` where anything unpickles them."""
    plain = pickle.dumps(Marks(path))
    array = np.array([Marks(path)], dtype=object)
    return {
        "pickle": plain,
        "pickle 0": pickle.dumps(Marks(path), protocol=0),
        "npy": _saved(np.save, array),
        "npz": _saved(np.savez, array),
        "npz packed": _saved(np.savez_compressed, array),
        "gzip": gzip.compress(plain),
    }


def make_body(chance: random.Random) -> tuple[str, bytes]:
    """Return a content type and a body."""
    name = chance.choice(sorted(READERS))
    if "image" in name:
        body, words = _written(chance, chance.choice(IMAGES)), _BINARY_WORDS
    elif name in CODECS and (name not in ("application/json", "text/csv") or chance.random() < 0.3):
        body = _written(chance, name)
        words = _BINARY_WORDS
    else:
        body = chance.choice(_TEXTS)
        words = _TEXT_WORDS
    if chance.random() < 0.85:
        body = mutated(body, chance, words)
    if chance.random() < 0.03:
        body = chance.randbytes(chance.choice([1, 10, 1000]))
    return name + chance.choice(_PARAMETERS), body


def _written(chance: random.Random, name: str) -> bytes:
    rows, columns = chance.choice([(1, 1), (3, 2), (50, 4)])
    kinds = ["u1"] if name in IMAGES else ["f8", "f4", "i8", "u1", "?"]
    value: Array = (np.arange(rows * columns) % 7).reshape(rows, columns).astype(chance.choice(kinds))
    if name == "application/x-npz":
        return _saved(chance.choice([np.savez, np.savez_compressed]), value)
    return CODECS[name].encode(value)


def _saved(save: Any, value: Any) -> bytes:
    file = io.BytesIO()
    save(file, value)
    return file.getvalue()
