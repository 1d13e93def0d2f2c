"""recordio-protobuf of training files, against the server's own codec over the same arrays."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth.compat import recordio
from mlberth.compat.arrays import array_to_recordio_protobuf
from mlberth_serve.codecs import recordio as codec
from mlberth_serve.media_types import RECORDIO, MediaType

np = pytest.importorskip("numpy")
sparse = pytest.importorskip("scipy.sparse")

ARRAYS: dict[str, Any] = {
    "float32": np.array([[1.5, -2], [0, np.inf]], np.float32),
    "float64": np.array([[1.5, -2, 1e300]]),
    "whole": np.array([[1, -2], [2**31 - 1, -(2**31)]]),
    "booleans": np.array([[True], [False]]),
    "half": np.array([[0.5]], np.float16),
    "sparse": sparse.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 0], [300, 0, -1]])),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_is_the_servers_format(name: str) -> None:
    """What one writes the other reads, with the same numbers."""
    array = ARRAYS[name]
    written = recordio.write(array)
    assert written == codec.encode(array)
    found = recordio.read(written).features
    expected = codec.decode(written, MediaType(RECORDIO, {})).array
    assert found.dtype == expected.dtype
    dense = [one.toarray() if sparse.issparse(one) else one for one in (found, expected, array)]
    np.testing.assert_array_equal(dense[0], dense[1])
    np.testing.assert_array_equal(dense[0], dense[2])


@pytest.mark.parametrize("labels", [[1.0, 2.5], [1, 2]])
def test_labels_are_written_and_read(labels: list[float]) -> None:
    """A record may have a label; whole numbers stay whole."""
    found = recordio.read(array_to_recordio_protobuf(np.ones((2, 3), np.float32), np.array(labels)))
    assert found.labels.tolist() == labels
    assert found.features.shape == (2, 3)
    assert recordio.read(array_to_recordio_protobuf(np.ones(3), None)).labels is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        recordio.write(np.ones((1, 2)))[:-1],
        b"\0" + recordio.write(np.ones((1, 2))),
        recordio.write(np.ones((1, 2))) + recordio.write(np.ones((1, 3))),
        recordio.write(np.ones((1, 2)), np.ones(1)) + recordio.write(np.ones((1, 2))),
        b"\x0a\x23\xd7\xce\x04\0\0\0\xff\xff\xff\xff",
    ],
)
def test_damage_is_refused(data: bytes) -> None:
    """What breaks off, is no recordio or differs from record to record is a ValueError."""
    with pytest.raises(ValueError, match="record"):
        recordio.read(data)


def test_what_a_record_cannot_hold_is_refused() -> None:
    """Text, whole numbers of 64 bits, three dimensions, and labels of another number than rows."""
    for array, labels in (
        (np.array([["a"]]), None),
        (np.array([[2**40]]), None),
        (np.ones((1, 1, 1)), None),
        (np.ones((2, 1)), np.ones(3)),
    ):
        with pytest.raises(ValueError, match=r"recordio|dtype|labels"):
            array_to_recordio_protobuf(array, labels)
