"""Codecs: between a body's bytes and a numpy array, one module for each media type.

To add one, write a module with `decode` and `encode` and give it a line in CODECS. Bodies are
never unpickled.
"""

from __future__ import annotations

from mlberth_serve.codecs import csv, json, jsonlines, npy
from mlberth_serve.codecs.codec import Codec
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, NPY

CODECS: dict[str, Codec] = {JSON: json, CSV: csv, JSON_LINES: jsonlines, NPY: npy}
