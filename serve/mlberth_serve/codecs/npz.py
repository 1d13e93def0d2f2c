"""`application/x-npz`: one array as `numpy.savez` writes it, or a csr_matrix as `scipy.sparse.save_npz` does.

Reading: the rules of `application/x-npy` hold for each array inside; what they unpack to is bounded
before anything is unpacked. Nothing is unpickled.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array, Decoded, check_count, check_size
from mlberth_serve.codecs.npy import decode as decode_npy
from mlberth_serve.codecs.npy import plain
from mlberth_serve.codecs.sparse import check_columns, import_sparse
from mlberth_serve.codecs.values.arrays import as_array
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import MediaType

_SPARSE = {"data", "format", "indices", "indptr", "shape"}
_SUFFIX = ".npy"
_PIECE = 1 << 20
_ENTRY = b"PK\x01\x02"
"""What an entry of the table at the end begins with."""
_MAX_ENTRIES = 1000
"""More than numbers by chance make of it: Python makes an object of each before any can be counted."""


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the one array of a body, or its csr_matrix."""
    arrays = _read(body, media_type)
    if _SPARSE <= arrays.keys() <= {*_SPARSE, "_is_array"}:
        return Decoded(_to_csr(arrays))
    if len(arrays) != 1:
        raise BadRequestError(f"The .npz body holds {len(arrays)} arrays, not one array or one csr_matrix.")
    return Decoded(next(iter(arrays.values())))


def encode(value: Any) -> bytes:
    """Write an array, or a sparse matrix as csr."""
    file = io.BytesIO()
    if hasattr(value, "tocsr"):
        import_sparse().save_npz(file, value.tocsr(), compressed=False)
    else:
        np.savez(file, plain(as_array(value)), allow_pickle=False)
    return file.getvalue()


def _read(body: bytes, media_type: MediaType) -> dict[str, Array]:
    try:
        check_count(body.count(_ENTRY), _MAX_ENTRIES, "zip entries")
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            _check(entries, len(body))
            return {
                entry.filename.removesuffix(_SUFFIX): decode_npy(_unpack(archive, entry), media_type).array
                for entry in entries
            }
    except RequestError:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises what it likes: BadZipFile, struct.error, EOFError, …
        raise BadRequestError("The body is not an .npz file that numpy or scipy wrote.") from None


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> memoryview:
    """Return an entry of the size that it gives, read in pieces: what it unpacks to may be far larger."""
    data = memoryview(bytearray(entry.file_size))
    with archive.open(entry) as file:
        at = 0
        while piece := file.read(min(_PIECE, len(data) - at)):
            data[at : at + len(piece)] = piece
            at += len(piece)
    if at < len(data):
        raise BadRequestError("An array of the .npz body breaks off.")
    return data


def _check(entries: Sequence[zipfile.ZipInfo], length: int) -> None:
    check_size(sum(entry.file_size for entry in entries), length)
    if len(entries) > len(_SPARSE) + 1:
        raise BadRequestError(f"The .npz body holds {len(entries)} arrays.")
    if any(entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for entry in entries):
        raise BadRequestError("The .npz body is compressed in a way that numpy does not.")


def _to_csr(arrays: dict[str, Array]) -> Any:
    if arrays["format"].tobytes() not in {b"csr", "csr".encode("utf-32-le")}:
        raise BadRequestError("The .npz body holds a sparse matrix that is not a csr_matrix.")
    if arrays["data"].dtype.kind not in "biuf":
        raise BadRequestError("The csr_matrix in the .npz body holds no numbers.")
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    try:
        matrix = import_sparse().csr_matrix(parts, shape=tuple(int(size) for size in arrays["shape"]))
        matrix.check_format(full_check=True)
        return check_columns(matrix)
    except (ValueError, TypeError, OverflowError, IndexError):
        raise BadRequestError("The csr_matrix in the .npz body contradicts itself.") from None
