"""The file of a trained model: arrays and a JSON object in one .npz, which runs nothing when it is loaded.

`serve` reads it (`mlberth_serve.algorithms`), and so does `numpy.load("algorithm.npz")`: the object is its
member `algorithm.json`.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.errors import Fault, PlatformError

NAME = "algorithm.npz"
DESCRIPTION = "algorithm.json"
VERSION = 1
_UNFINISHED = ".algorithm.npz.tmp"


def write_model(folder: Path, algorithm: str, description: Mapping[str, Any], **arrays: Any) -> None:
    """Write a model as one file that is there whole or not at all.

    `description` is what a prediction needs besides arrays, in JSON. Raises PlatformError if the disk does
    not take it.
    """
    from numpy.lib import format as npy_format

    unfinished = folder / _UNFINISHED
    text = json.dumps({"algorithm": algorithm, "version": VERSION, **description}, indent=2)
    try:
        # Not compressed: the reader then knows what it takes before it reads.
        with zipfile.ZipFile(unfinished, "w") as archive:
            archive.writestr(DESCRIPTION, text)
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    npy_format.write_array(file, array, allow_pickle=False)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(folder / NAME)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise PlatformError(Fault(str(folder / NAME), str(error.strerror), "room for the model")) from error
