"""What a model archive says of itself: handlers for model servers look there for the name of their model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlberth.jsonfile import read_object

MODEL_NAME = "model"
_FILE = Path("MAR-INF/MANIFEST.json")


def read_manifest(model_dir: str) -> dict[str, Any]:
    """Return the manifest of an unpacked archive; else one that names the folder's one visible file.

    Raises ContractError for a manifest that cannot be read.
    """
    folder = Path(model_dir)
    if (folder / _FILE).is_file():
        return read_object(folder / _FILE)
    model = {"modelName": MODEL_NAME}
    paths = folder.iterdir() if model_dir and folder.is_dir() else ()
    files = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    if len(files) == 1:
        model["serializedFile"] = files[0].name
    return {"model": model}
