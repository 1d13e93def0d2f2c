"""Files that hold a request's body, which a worker predicts for before it is ready."""

from __future__ import annotations

from pathlib import Path

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    LIBSVM,
    NPY,
    NPZ,
    PARQUET,
    RECORDIO,
)

SAMPLE_PAYLOAD = "sample-payload"
"""The name, before its suffix, of a file that holds a request's body."""
SUFFIXES = {
    ".csv": CSV,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".libsvm": LIBSVM,
    ".npy": NPY,
    ".npz": NPZ,
    ".parquet": PARQUET,
    ".recordio": RECORDIO,
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
"""What a file holds, by its suffix."""


def find_samples(folder: Path) -> list[Path]:
    """Return the sample payloads in a folder, by name; raises ModelLoadError for an unknown suffix."""
    paths = sorted(folder.glob(f"{SAMPLE_PAYLOAD}.*")) if folder.is_dir() else []
    if unknown := [path.name for path in paths if path.suffix not in SUFFIXES]:
        raise ModelLoadError(Fault(", ".join(unknown), "an unknown suffix", f"one of {', '.join(SUFFIXES)}"))
    return paths


def is_sample(path: Path) -> bool:
    """Tell a sample payload by its name: it is no model, whatever else counts as one."""
    return path.name.startswith(f"{SAMPLE_PAYLOAD}.")
