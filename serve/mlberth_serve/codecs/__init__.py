"""Codecs: between a body's bytes and an array, one module for each media type.

To add one, write a module with `decode` and `encode` and give it a line in CODECS, or in READERS if it
is read only. Bodies are never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlberth_serve.codecs import csv, json, jsonlines, libsvm, npy, npz, recordio
from mlberth_serve.codecs.base import Codec, Reader
from mlberth_serve.codecs.image import ImageCodec
from mlberth_serve.codecs.parquet import codec as parquet
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, LIBSVM, NPY, NPZ, PARQUET, RECORDIO

_jpeg, _any_image = ImageCodec("JPEG"), ImageCodec()

CODECS: dict[str, Codec] = {
    JSON: json,
    CSV: csv,
    JSON_LINES: jsonlines,
    NPY: npy,
    NPZ: npz,
    RECORDIO: recordio,
    PARQUET: parquet,
    "application/jsonl": jsonlines,
    "application/x-jsonlines": jsonlines,
    "application/x-ndjson": jsonlines,
    "application/vnd.apache.parquet": parquet,
    "image/png": ImageCodec("PNG"),
    "image/jpeg": _jpeg,
    "image/jpg": _jpeg,
    "image/gif": ImageCodec("GIF"),
    "image/bmp": ImageCodec("BMP"),
    "image/tiff": ImageCodec("TIFF"),
    "image/webp": ImageCodec("WEBP"),
}
"""The types that are read and written, each under the name that comes first and under others."""

READERS: dict[str, Reader] = {
    **CODECS,
    LIBSVM: libsvm,
    "text/x-libsvm": libsvm,
    "application/x-image": _any_image,
    "image/x-image": _any_image,
}
"""The types that are read."""


def first_names(codecs: Mapping[str, Reader]) -> str:
    """Return the names of codecs for a message, each codec once."""
    names: dict[Reader, str] = {}
    for name, codec in codecs.items():
        names.setdefault(codec, name)
    return ", ".join(names.values())
