"""recordio-protobuf: the files of the platform's SDK, of the server's codec, and of ours are the same."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential
from tests.peers import FOLDER

from mlberth.channels.examples import Example, Tensor, read_example, to_tensor, write_example
from mlberth.channels.recordio import read_records, write_record
from mlberth.compat import recordio

GOLDEN = Path(__file__).parents[1] / "golden/recordio"
SDK = FOLDER / "sagemaker-2.257.7/bin/python"
ROWS = [[1.5, -2.0, 0.25], [0.0, 1e10, -7.0], [3.0, 0.5, 2.0]]
EXPECTED = {
    "float32": (ROWS, [1, 0, 2.5]),
    "float64": (ROWS, [1, 0, 2.5]),
    "int32": ([[1, -2, 3], [2**31 - 1, -(2**31), 0], [300, 70000, 1]], [1, 0, 2]),
    "sparse": ([[0, 1.5, 0], [0, 0, 0], [300, 0, -1]], [1, 0, 2.5]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_files_of_the_sdk(name: str) -> None:
    """They are read, and written again to the byte."""
    with (GOLDEN / f"{name}.recordio").open("rb") as file:
        records = list(read_records(file))
    examples = list(map(read_example, records))
    found = [list(example.values) for example in examples], [example.label for example in examples]
    assert found == EXPECTED[name]
    assert [write_example(one.features, labels=one.labels) for one in examples] == records


@pytest.mark.skipif(not SDK.exists(), reason="the SDK's environment has not been made")
def test_the_sdk_reads_ours(tmp_path: Path) -> None:
    """Dense and sparse examples, with and without a label."""
    path = tmp_path / "ours"
    with path.open("wb") as file:
        write_record(file, write_example([1.5, -2.0], 1.0))
        write_record(file, write_example([1, -2]))
        write_record(file, write_example({"values": to_tensor([0.5], [7], 10)}, 3))
    argv = [str(SDK), str(Path(__file__).with_name("sdk.py")), "read", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [[1.5, -2.0], [], [1.0]],
        [[1, -2], [], []],
        [[0.5], [7], [3]],
    ]


@differential(50)
@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9),
    st.sampled_from(["float32", "float64", "int32"]),
)
def test_is_the_format_of_the_others(numbers: list[float], dtype: str) -> None:
    """What the toolkit writes for programs of other containers is written here to the byte, and read."""
    rows = np.clip(np.array([numbers]), -1e9, 1e9).astype(dtype)
    stream = io.BytesIO()
    write_record(stream, write_example(rows[0], rows[0, 0].item()))
    found = recordio.read(stream.getvalue())
    assert found.features.tolist() == rows.tolist()
    (record,) = read_records(io.BytesIO(recordio.write(rows)))
    assert np.asarray(read_example(record).values).tolist() == rows[0].tolist()
    assert write_example(rows[0]) == record


def test_several_tensors_bytes_and_texts() -> None:
    """A record may hold more than one tensor, the bytes of a file, a name and metadata."""
    features: dict[str, Tensor | bytes] = {"a": to_tensor([1]), "image": b"\x89PNG", "": to_tensor([0.5])}
    record = write_example(features, 2.0, uid="7", metadata='{"split": 1}')
    assert read_example(record) == Example(
        features, {"values": to_tensor([2.0])}, uid="7", metadata='{"split": 1}'
    )
    with pytest.raises(ValueError, match="features under the names a, image, ; expected one tensor"):
        _ = read_example(record).values


def test_numbers_keep_their_type() -> None:
    """float64 of numpy and of Python stay so; whole numbers are int32, other numbers float32."""
    kinds = [
        to_tensor(numbers).values.typecode
        for numbers in ([1, 2], [1, 2.5], (1.0,), np.ones(2), np.ones(2, np.float32), array("d", [1]))
    ]
    assert kinds == ["i", "f", "f", "d", "f", "d"]


def test_numpy_takes_the_values_as_they_are() -> None:
    """Without a copy."""
    values = read_example(write_example([1.5, 2.5])).values
    assert np.shares_memory(np.asarray(values), np.asarray(values))
    assert np.asarray(values).dtype == np.float32


@pytest.mark.parametrize(
    ("tensor", "width", "problem"),
    [
        (to_tensor([1.0], [3]), None, r"without a shape; expected dense\(width\)"),
        (to_tensor([1.0], [3], 3), None, "position 3 in a sparse tensor; expected less than 3"),
        (to_tensor([1.0], [3], 9), 2, "position 3"),
        (to_tensor([1.0], [3], 2**40), None, "sparse tensor of the width 1099511627776"),
    ],
)
def test_a_sparse_tensor_must_fit(tensor: Tensor, width: int | None, problem: str) -> None:
    """A position beyond the width is an error, not a longer row."""
    with pytest.raises(ValueError, match=problem):
        tensor.dense(width)


@pytest.mark.parametrize(
    "record",
    [
        b"\xff",
        b"\x0a\xff\x01",
        b"\x0b",
        write_example([1.5])[:-1],
        b"\x0a\x02\x12\x00",
        b"\x0a\x03\x0a\x01\xff",
        write_example({"values": Tensor(array("f", [1.0]), array("Q", [1, 2]))}),
    ],
)
def test_damage_is_a_value_error(record: bytes) -> None:
    """What breaks off, names no tensor or contradicts itself; `Input.examples` adds file and byte."""
    with pytest.raises(ValueError, match=r"."):
        read_example(record)


MIXED: dict[str, Tensor | bytes] = {"values": to_tensor([0.5], [7], 10), "x": b"ab"}
RECORDS = [write_example([1.5, -2.0], 1.0), write_example(MIXED, 3)]


@differential(200)
@given(st.sampled_from(RECORDS), st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=3)), min_size=1))
def test_damage_by_chance(record: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Whatever stands in a record, it is an example or a ValueError."""
    for place, content in changes:
        record = record[:place] + content + record[place + len(content) // 2 :]
    with contextlib.suppress(ValueError):
        example = read_example(record)
        _ = example.label, example.values


def test_a_number_of_more_than_32_bits() -> None:
    """It is refused, not cut."""
    from mlberth.protobuf import write_bytes, write_varints

    tensor = write_bytes(7, write_bytes(1, write_varints([2**40])))
    with pytest.raises(ValueError, match="more than 32 bits"):
        read_example(write_bytes(1, write_bytes(2, tensor)))


def test_reading_needs_no_numpy() -> None:
    """The base install has the standard library alone."""
    code = "import sys, mlberth.channels; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"
