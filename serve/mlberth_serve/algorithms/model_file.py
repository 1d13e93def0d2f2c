"""The file `algorithm.npz`: arrays, and a JSON object that says which algorithm's they are.

It runs nothing when it is loaded, and nothing is allocated on the word of a header: entries are not
compressed, and an array is exactly the bytes that are there (`codecs.npy`).
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlberth.errors import Fault, ModelLoadError
from mlberth.paths import is_file
from mlberth_serve.codecs import npy
from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import RequestError
from mlberth_serve.frameworks import FRAMEWORKS, list_visible
from mlberth_serve.media_types import NPY, MediaType

NAME = "algorithm.npz"
DESCRIPTION = "algorithm.json"
_VERSION = 1
_MEMBERS = 32
_EXPECTED = f"a file that `train` wrote with SAGEMAKER_ALGORITHM (version {_VERSION})"


class AlgorithmModel(NamedTuple):
    """What the file holds."""

    description: dict[str, Any]
    arrays: dict[str, Array]

    def array(self, name: str, *shape: int | None) -> Array:
        """Return an array of numbers of such a shape, None for any size; raises ModelLoadError."""
        found = self.arrays.get(name)
        if found is None or found.dtype.kind not in "fiu":
            raise fault(f"no array of numbers {name!r}")
        fits = len(shape) == found.ndim and all(
            wanted in (None, size) for wanted, size in zip(shape, found.shape, strict=True)
        )
        if not fits:
            raise fault(f"an array {name!r} of shape {found.shape}")
        return found

    def whole(self, name: str) -> int:
        """Return a whole number from 1 on; raises ModelLoadError."""
        value = self.description.get(name)
        if type(value) is not int or value < 1:
            raise fault(f"{name} {value!r}")
        return value

    def word(self, name: str, *words: str) -> str:
        """Return one of some words; raises ModelLoadError."""
        value = self.description.get(name)
        if value not in words:
            raise fault(f"{name} {value!r}")
        return str(value)


def fault(found: str) -> ModelLoadError:
    """Return the error for a file that is not what it says."""
    return ModelLoadError(Fault(NAME, found, _EXPECTED))


def find_file(folder: Path) -> Path | None:
    """Return the file in a model folder, or None; raises ModelLoadError for another model beside it."""
    path = folder / NAME
    if not is_file(path):
        return None
    others = [
        other.name
        for other in list_visible(folder)
        if other.is_file() and any(framework.is_model_file(other) for framework in FRAMEWORKS.values())
    ]
    if others:
        found = f"several model files: {', '.join([NAME, *others])}"
        raise ModelLoadError(Fault(f"the model folder {folder}", found, "one model"))
    return path


def read_file(path: Path) -> AlgorithmModel:
    """Return what a file holds; raises ModelLoadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = {
                entry.filename: memoryview(bytearray(archive.read(entry)))
                for entry in _checked(archive.infolist(), path.stat().st_size)
            }
    except ModelLoadError:
        raise
    except Exception as error:  # zipfile raises what it likes: BadZipFile, struct.error, EOFError, …
        raise fault(f"no such archive ({type(error).__name__})") from error
    description = _describe(contents.pop(DESCRIPTION, None))
    try:
        arrays = {
            name.removesuffix(".npy"): npy.decode(content, MediaType(NPY, {})).array
            for name, content in contents.items()
        }
    except RequestError as error:
        raise fault(f"a damaged array: {error.message}") from None
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise fault(f"nan in the array {name!r}")
    return AlgorithmModel(description, arrays)


def _checked(entries: list[zipfile.ZipInfo], size: int) -> list[zipfile.ZipInfo]:
    """Return entries that take no more memory than the file has bytes."""
    if len(entries) > _MEMBERS or any(entry.compress_type for entry in entries):
        raise fault("entries that are compressed, or too many")
    if sum(entry.file_size for entry in entries) > size:
        raise fault("entries that are larger than the file")
    return entries


def _describe(content: memoryview | None) -> dict[str, Any]:
    if content is None:
        raise fault(f"no {DESCRIPTION} in it")
    try:
        description = json.loads(bytes(content))
    except (ValueError, RecursionError):
        description = None
    if not isinstance(description, dict) or description.get("version") != _VERSION:
        raise fault(f"a {DESCRIPTION} that is something else")
    return description
