"""The model, the rows and the requests that every server gets."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import orjson
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
ONE_CSV, ONE_JSON, THOUSAND_CSV, FIVE_MB = "1 row CSV", "1 row JSON", "1000 rows CSV", "5 MB npy"
MODEL_FILE = "model.joblib"


@dataclass(frozen=True)
class Case:
    """One kind of request."""

    name: str
    content_type: str
    rows: Any
    """float64, of shape (rows, columns)."""
    clients: int = 32

    @property
    def body(self) -> bytes:
        """The rows in the Content-Type, without any server's own envelope."""
        return ENCODERS[self.content_type](self.rows)


def cases() -> dict[str, Case]:
    """Return the requests that are compared, by name."""
    rows = load_breast_cancer().data.astype(np.float64)
    found = [
        Case(ONE_CSV, CSV, rows[:1]),
        Case(ONE_JSON, JSON, rows[:1]),
        Case(THOUSAND_CSV, CSV, np.tile(rows, (2, 1))[:1000], clients=8),
        Case(FIVE_MB, NPY, np.tile(rows, (40, 1))[:21845], clients=8),
    ]
    return {case.name: case for case in found}


def train(folder: Path) -> Any:
    """Train the model that everybody serves, and save it as FOLDER/model.joblib."""
    rows, labels = load_breast_cancer(return_X_y=True)
    model = LogisticRegression(solver="newton-cholesky").fit(rows, labels)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / MODEL_FILE)
    return model


def load(folder: Path) -> Any:
    """Return the model that `train` saved."""
    return joblib.load(folder / MODEL_FILE)


def labels(body: bytes) -> list[float]:
    """Return the predictions that an answer holds, in whichever of the servers' forms."""
    if body.startswith(b"\x93NUMPY"):
        return [float(one) for one in np.load(io.BytesIO(body)).ravel()]
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [float(cell) for cell in body.decode().replace(",", "\n").split()]
    while isinstance(value, dict):
        value = next(value[name] for name in ("predictions", "outputs", "output", "data") if name in value)
        if value and isinstance(value, list) and isinstance(value[0], dict):
            value = value[0]
    return [float(one) for one in np.atleast_1d(value).ravel()]


def encode_csv(rows: Any) -> bytes:
    """Return rows as CSV, each number with all its digits."""
    text: bytes = orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].replace(b"],[", b"\n") + b"\n"


def encode_json(rows: Any) -> bytes:
    """Return rows as a JSON list of lists."""
    return orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)


def encode_npy(rows: Any) -> bytes:
    """Return rows as numpy.save writes them."""
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=False)
    return file.getvalue()


ENCODERS = {CSV: encode_csv, JSON: encode_json, NPY: encode_npy}
