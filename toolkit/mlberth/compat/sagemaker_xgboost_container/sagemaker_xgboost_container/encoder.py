"""From bodies to XGBoost's DMatrix."""

from __future__ import annotations

import json
from typing import Any

from mlberth.compat import recordio
from mlberth.compat.arrays import Convert, look_up
from mlberth.compat.libsvm import read_body
from mlberth.compat.server import is_published, read_recordio
from sagemaker_containers.beta.framework import content_types, errors
from sagemaker_xgboost_container.constants import xgb_content_types
from sagemaker_xgboost_container.data_utils import read_csv


def csv_to_dmatrix(input: str | bytes, dtype: Any = None) -> Any:  # noqa: A002 - sagemaker-xgboost-container's name
    """Return the rows of a CSV without labels; an empty cell is a missing value."""
    import xgboost

    text = input.decode() if isinstance(input, bytes) else input
    return xgboost.DMatrix(read_csv(text).astype(dtype))


def libsvm_to_dmatrix(string_like: str | bytes) -> Any:
    """Return the rows of a LIBSVM text, with their labels; columns count from 1 if none is 0."""
    return read_body(string_like.decode() if isinstance(string_like, bytes) else string_like).to_dmatrix()


def recordio_protobuf_to_dmatrix(string_like: bytes) -> Any:
    """Return the rows of a recordio-protobuf body, with their labels outside a server."""
    import xgboost

    if is_published():
        return xgboost.DMatrix(read_recordio(string_like))
    records = recordio.read(bytes(string_like))
    return xgboost.DMatrix(records.features, label=records.labels)


def json_to_jsonlines(json_data: Any) -> bytes:
    """Return a line of JSON for each item of the one list in an object, or in its JSON."""
    value = json_data if isinstance(json_data, dict) else json.loads(json_data)
    if len(value) != 1:
        raise ValueError(f"JSON with {len(value)} keys; expected one, with a list")
    (items,) = value.values()
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


_dmatrix_decoders_map: dict[str, Convert] = {
    content_types.CSV: csv_to_dmatrix,
    xgb_content_types.LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_RECORDIO_PROTOBUF: recordio_protobuf_to_dmatrix,
}


def decode(obj: Any, content_type: str) -> Any:
    """Return a DMatrix; raises UnsupportedFormatError."""
    return look_up(_dmatrix_decoders_map, content_type, errors.UnsupportedFormatError)(obj)
