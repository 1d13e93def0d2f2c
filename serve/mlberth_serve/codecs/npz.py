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

from mlberth_serve.codecs.base import Array, Decoded, as_array, check_size
from mlberth_serve.codecs.npy import decode as decode_npy
from mlberth_serve.codecs.npy import plain
from mlberth_serve.codecs.sparse import import_sparse
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import MediaType

_SPARSE = {"data", "format", "indices", "indptr", "shape"}
_SUFFIX = ".npy"


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
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            _check(entries)
            return {
                entry.filename.removesuffix(_SUFFIX): decode_npy(archive.read(entry), media_type).array
                for entry in entries
            }
    except RequestError:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises what it likes: BadZipFile, struct.error, EOFError, …
        raise BadRequestError("The body is not an .npz file that numpy or scipy wrote.") from None


def _check(entries: Sequence[zipfile.ZipInfo]) -> None:
    check_size(sum(entry.file_size for entry in entries))
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
    except (ValueError, TypeError, OverflowError, IndexError):
        raise BadRequestError("The csr_matrix in the .npz body contradicts itself.") from None
    return matrix
