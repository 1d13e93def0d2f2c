"""`application/x-npz` both ways."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given

from mlberth_serve.codecs import npz
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import NPZ, parse_content_type

sparse = pytest.importorskip("scipy.sparse")


def decode(body: bytes) -> Any:
    """Read a body."""
    return npz.decode(body, parse_content_type(NPZ)).array


def archive(entries: dict[str, Any], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of arrays, or of bytes as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, value in entries.items():
            content = io.BytesIO(value) if isinstance(value, bytes) else io.BytesIO()
            if not isinstance(value, bytes):
                np.save(content, value)
            target.writestr(f"{name}.npy", content.getvalue())
    return file.getvalue()


@given(hnp.arrays(np.float64, hnp.array_shapes(max_side=4)))
def test_reads_back_what_it_wrote(array: Any) -> None:
    """Every array comes back the same."""
    np.testing.assert_array_equal(decode(npz.encode(array)), array)


@pytest.mark.parametrize("compressed", [True, False])
def test_sparse_matrix_is_read_as_scipy_wrote_it(compressed: bool) -> None:
    """What `scipy.sparse.save_npz` wrote is a csr_matrix again."""
    matrix = sparse.csr_matrix(np.array([[0, 1.5], [0, 0], [2, 0]]))
    file = io.BytesIO()
    sparse.save_npz(file, matrix, compressed=compressed)
    np.testing.assert_array_equal(decode(file.getvalue()).toarray(), matrix.toarray())
    np.testing.assert_array_equal(decode(npz.encode(matrix)).toarray(), matrix.toarray())


CSR = {
    "format": np.array(b"csr"),
    "shape": np.array([1, 2]),
    "data": np.array([1.0]),
    "indices": np.array([1]),
    "indptr": np.array([0, 1]),
}
BAD = {
    "not a zip": b"1,2,3",
    "empty zip": archive({}),
    "two arrays": archive({"a": [1], "b": [2]}),
    "hundred arrays": archive({f"a{number}": [1] for number in range(100)}),
    "not an array": archive({"a": b"1,2,3"}),
    "objects": archive({"a": np.array([None])}),
    "other compression": archive({"a": [1]}, zipfile.ZIP_LZMA),
    "csc": archive(CSR | {"format": np.array(b"csc")}),
    "column beyond the width": archive(CSR | {"indices": np.array([2])}),
    "column below zero": archive(CSR | {"indices": np.array([-1])}),
    "rows that are not there": archive(CSR | {"shape": np.array([10**12, 2])}),
    "shape of one number": archive(CSR | {"shape": np.array([2])}),
    "indptr that goes back": archive(CSR | {"indptr": np.array([0, 5, 1]), "shape": np.array([2, 2])}),
    "text as data": archive(CSR | {"data": np.array(["a"])}),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body_is_refused(body: bytes) -> None:
    """What is neither one array nor one csr_matrix is 400."""
    with pytest.raises(BadRequestError):
        decode(body)


def test_every_flipped_byte_is_refused_or_read() -> None:
    """A damaged archive never raises anything but RequestError."""
    body = archive({"a": np.arange(4.0)})
    for place in range(len(body)):
        damaged = body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]
        try:
            decode(damaged)
        except RequestError:
            continue


def test_bomb_is_refused_unread() -> None:
    """An archive that says it unpacks to more than the cap is 413 before anything is unpacked."""
    body = bytearray(archive({"a": np.zeros(1000)}))
    size = (1000 * 8 + 128).to_bytes(4, "little")
    place = body.rindex(size)  # in the central directory, which is what is believed
    body[place : place + 4] = (2**31).to_bytes(4, "little")
    with pytest.raises(RequestError) as caught:
        decode(bytes(body))
    assert caught.value.status == 413
