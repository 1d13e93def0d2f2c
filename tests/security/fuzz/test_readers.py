"""Bodies with which nothing is wrong, read beside the library that everybody reads them with."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file
from tests.security.fuzz.fuzzing import Fuzzer

from mlberth_serve.codecs import READERS
from mlberth_serve.media_types import parse_content_type

EDGES = [0.0, -0.0, 1.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 2.0**53 + 2]
DTYPES = ["f8", "f4", "f2", "i8", "i4", "u1", "?", ">f8", ">i4"]
Body = tuple[bytes, np.ndarray[Any, Any]]
"""A body, and the array that the plain reader makes of it."""


def numbers(chance: random.Random) -> list[list[float]]:
    """Return rows of one width: whole numbers, edge values, and any bits that are a finite number."""
    width = chance.randint(1, 6)
    return [[_number(chance) for _ in range(width)] for _ in range(chance.choice([1, 1, 2, 3, 40, 700]))]


def _number(chance: random.Random) -> float:
    kind = chance.randrange(4)
    if kind == 0:
        return float(chance.randint(-1000, 1000))
    if kind == 1:
        return chance.choice([1, -1]) * chance.choice(EDGES)
    if kind == 2:
        return chance.gauss(0, 1)
    found = np.frombuffer(chance.randbytes(8))[0].item()
    return found if np.isfinite(found) else 0.5


def _text(number: float, chance: random.Random) -> str:
    return chance.choice([repr, "{:.17g}".format, "{:.20e}".format, "{:.3f}".format, "{:E}".format])(number)


def _csv(chance: random.Random) -> Body:
    end = chance.choice(["\n", "\r\n"])
    text = end.join(",".join(_text(cell, chance) for cell in row) for row in numbers(chance))
    rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    return (text + chance.choice(["", end])).encode(), np.array(rows)


def _json(chance: random.Random) -> Body:
    body = json.dumps(numbers(chance), indent=chance.choice([None, None, 1]))
    return body.encode(), np.array(json.loads(body))


def _json_lines(chance: random.Random) -> Body:
    lines = [json.dumps(row) for row in numbers(chance)]
    return "\n".join(lines).encode(), np.array([json.loads(line) for line in lines])


def _array(chance: random.Random) -> np.ndarray[Any, Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.array(numbers(chance)).astype(chance.choice(DTYPES))
    return np.asfortranarray(array) if chance.random() < 0.3 else array


def _npy(chance: random.Random) -> Body:
    file = io.BytesIO()
    np.save(file, _array(chance))
    return file.getvalue(), np.load(io.BytesIO(file.getvalue()))


def _npz(chance: random.Random) -> Body:
    file = io.BytesIO()
    chance.choice([np.savez, np.savez_compressed])(file, _array(chance))
    with np.load(io.BytesIO(file.getvalue())) as archive:
        return file.getvalue(), archive["arr_0"]


def _libsvm(chance: random.Random) -> Body:
    width = chance.randint(1, 9)
    lines = []
    for _ in range(chance.choice([1, 2, 30])):
        # The last column is always there: how many columns a body has is told by nothing else.
        columns = sorted({width, *chance.sample(range(1, width + 1), chance.randint(0, width))})
        cells = " ".join(f"{column}:{_number(chance)!r}" for column in columns)
        lines.append(f"{chance.randint(0, 3)} {cells}")
    body = "\n".join(lines).encode()
    rows, _ = load_svmlight_file(io.BytesIO(body), n_features=width + 1, zero_based=True)
    return body, rows.toarray()


KINDS: dict[str, Callable[[random.Random], Body]] = {
    "text/csv": _csv,
    "application/json": _json,
    "application/jsonlines": _json_lines,
    "application/x-npy": _npy,
    "application/x-npz": _npz,
    "text/libsvm": _libsvm,
}


@pytest.mark.parametrize("content_type", KINDS)
def test_what_is_read_is_what_the_plain_reader_reads(content_type: str) -> None:
    """To the bit, in shape, and in type but for the order of its bytes."""
    fuzzer = Fuzzer(f"readers {content_type.replace('/', ' ')}", short=150, long=20_000)
    media_type = parse_content_type(content_type)
    count = 0
    for number in fuzzer.numbers():
        body, expected = KINDS[content_type](fuzzer.chance(number))
        found: Any = READERS[media_type.name].decode(body, media_type).array
        found = found.toarray() if hasattr(found, "toarray") else found
        alike = (found.dtype.newbyteorder("="), found.shape) == (
            expected.dtype.newbyteorder("="),
            expected.shape,
        )
        native = expected.astype(expected.dtype.newbyteorder("="))
        if not alike or found.astype(native.dtype).tobytes() != native.tobytes():
            fuzzer.fail(number, f"{found.dtype} {found.shape}, not {expected.dtype} {expected.shape}", body)
        count += 1
    fuzzer.report(inputs=count, faults=len(fuzzer.failures))
    assert fuzzer.failures == []
    assert count
