"""Bodies read in one go and answers written in one go: those of each by itself, or none at all."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth_serve.codecs import CODECS
from mlberth_serve.codecs.bulk import read_all, write_all
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import MediaType, parse_content_type

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
PLAIN, ARRAYS = parse_content_type(CSV), parse_content_type(NPY)
NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(repr), st.sampled_from(["0", "-0", "-0.0", "1e400", "007"])
)
ODD = st.sampled_from(["", "x", "nan", "null", "1]", "[1", "1,2\n", "\r", "\n\n", '"1"', "\0"])
BODIES = st.lists(
    st.one_of(
        st.lists(st.tuples(NUMBERS, NUMBERS).map(",".join), min_size=1, max_size=3).map("\n".join),
        st.tuples(NUMBERS, ODD).map(",".join),
        ODD,
    ).map(str.encode),
    min_size=1,
    max_size=5,
)


def read_alone(body: bytes, media_type: MediaType = PLAIN) -> Any:
    """Return what the codec makes of one body, or the kind of error."""
    try:
        return CODECS[media_type.name].decode(body, media_type).array
    except RequestError as error:
        return type(error)


@differential(200)
@given(BODIES)
def test_bodies_in_one_go_are_what_each_is_alone(bodies: list[bytes]) -> None:
    """To the bit and the shape, whatever stands beside a body; otherwise each is left to be read alone."""
    together = read_all(bodies, PLAIN)
    if together is None:
        return
    for decoded, body in zip(together, bodies, strict=True):
        alone = read_alone(body)
        assert not isinstance(alone, type), alone
        assert (decoded.array.dtype, decoded.array.shape) == (alone.dtype, alone.shape)
        assert repr(decoded.array.tolist()) == repr(alone.tolist())
        assert not decoded.envelope


def test_plain_bodies_of_one_width_are_read_in_one_go() -> None:
    """With any number of rows each, gaps, and blank space around them."""
    together = read_all([b"1,2", memoryview(b"3,4\n5,nan\n"), b" 6,\n"], PLAIN)
    assert together is not None
    found = [decoded.array.tolist() for decoded in together]
    assert repr(found) == "[[[1.0, 2.0]], [[3.0, 4.0], [5.0, nan]], [[6.0, nan]]]"


@pytest.mark.parametrize("odd", [b"1", b"1,2,3", b"x,1", b"", b" ", b"1,2\r3,4", b"1,2\n\n3,4", b"-0,1"])
def test_one_odd_body_leaves_all_to_be_read_alone(odd: bytes) -> None:
    """Then each gets its own array or its own refusal."""
    for bodies in ([odd, b"1,2"], [b"1,2", odd], [b"1,2", odd, b"3,4"]):
        assert read_all(bodies, PLAIN) is None


@pytest.mark.parametrize("content_type", [JSON, "text/csv; header=present", "text/csv; charset=latin1"])
def test_other_types_are_read_alone(content_type: str) -> None:
    """Of JSON one body could end what another has begun; parameters say more than the numbers do."""
    assert read_all([b"1,2", b"3,4"], parse_content_type(content_type)) is None


def saved(array: Any) -> bytes:
    """Return an array as numpy.save writes it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_shape(shape: str, size: int) -> bytes:
    """Return an .npy whose header says a shape, with so many bytes of data."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(size)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1", "?"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (2, 3, 4)], ids=str)
def test_arrays_in_one_go_are_what_each_is_alone(dtype: str, shape: tuple[int, ...]) -> None:
    """Each its own array, that may be written to."""
    rng = np.random.default_rng(0)
    bodies = [saved((rng.random(shape) * 99).astype(dtype)) for _ in range(3)]
    together = read_all([bodies[0], memoryview(bodies[1]), bodies[2]], ARRAYS)
    assert together is not None
    for decoded, body in zip(together, bodies, strict=True):
        alone = read_alone(body, ARRAYS)
        assert (decoded.array.dtype, decoded.array.shape) == (alone.dtype, alone.shape)
        assert decoded.array.tolist() == alone.tolist()
        decoded.array[:] = 0
    assert not together[0].array.any()


@pytest.mark.parametrize(
    "odd",
    [
        saved(np.ones((2, 2))),
        saved(np.ones((1, 2), "f4")),
        saved(np.ones((1, 2), ">f8")),
        saved(np.asfortranarray(np.ones((2, 2)))),
        saved(np.array(["a"])),
        saved(np.ones(())),
        saved(np.ones((0, 2))),
        saved(np.ones((1, 2)))[:-1],
        saved(np.ones((1, 2))) + b"x",
        b"",
        b"\x93NUMPY",
        with_shape("(-1, -2)", 16),
        with_shape(f"({'1, ' * 64})", 8),
        with_shape("(3, 0, 100000000000000000, 100000000000000000)", 0),
        with_shape("(True, 2)", 16),
    ],
    ids=[
        *("rows", "type", "byte order", "order", "text", "scalar", "empty", "short", "long", "none"),
        *("broken", "negative", "64 dimensions", "beyond memory", "booleans"),
    ],
)
def test_one_odd_array_leaves_all_to_be_read_alone(odd: bytes) -> None:
    """Also where all are odd in the same way, but for what is alike and right."""
    usual = saved(np.ones((1, 2)))
    assert read_all([usual, odd], ARRAYS) is None
    assert read_all([odd, usual], ARRAYS) is None
    alone = read_alone(odd, ARRAYS)  # an array, or a refusal of ours
    together = read_all([odd, odd], ARRAYS)
    if together is not None:
        assert [one.array.tolist() for one in together] == [alone.tolist()] * 2


@pytest.mark.parametrize("media_type", [CSV, JSON, NPY])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u8"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3)], ids=str)
def test_answers_in_one_go_are_what_each_is_alone(
    media_type: str, dtype: str, shape: tuple[int, ...]
) -> None:
    """To the byte, for one row and for several."""
    prediction = (np.random.default_rng(0).random(shape) * 1e9).astype(dtype)
    for array in (prediction, np.asfortranarray(prediction), prediction[::-1]):
        parts = [array[:1], array[1:4], array[4:6]]
        together = write_all(array, [1, 3, 2], media_type)
        assert together is not None or media_type == NPY
        assert together in (None, [CODECS[media_type].encode(part) for part in parts])
    assert write_all(prediction, [1, 3, 2], media_type) is not None


@pytest.mark.parametrize(
    "prediction",
    [
        np.array([1.0, np.nan]),
        np.array([np.inf, 1.0]),
        np.array([True, False]),
        np.array(["a", "b"]),
        np.array([1, 2], dtype=object),
        np.zeros((2, 2, 2)),
        np.zeros((2, 0)),
        [1.0, 2.0],
    ],
    ids=["nan", "infinite", "booleans", "text", "objects", "three dimensions", "no columns", "a list"],
)
def test_what_the_types_write_in_ways_of_their_own_is_written_alone(prediction: Any) -> None:
    """Only numbers that look the same in CSV and in JSON are written in one go."""
    assert write_all(prediction, [1, 1], CSV) is None
    assert write_all(prediction, [1, 1], JSON) is None


@pytest.mark.parametrize(
    "prediction",
    [np.array(["a", "b"]), np.array([1, 2], dtype=object), np.zeros((2, 0)), [1.0], np.array(1.0)],
)
def test_arrays_of_other_things_are_written_alone(prediction: Any) -> None:
    """Of text, objects or nothing; and what is no array of rows."""
    assert write_all(prediction, [1, 1], NPY) is None


def test_other_types_are_written_alone() -> None:
    """There is no rule by which they could be joined."""
    assert write_all(np.array([1.0]), [1], "application/x-npz") is None
