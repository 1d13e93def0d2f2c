"""Responses of the XGBoost container: scores, or what SAGEMAKER_INFERENCE_OUTPUT selects.

Numbers are Python's of a float32: every digit. In the container JSON Lines and recordio without a
selection are a 500, and the n-th selected record holds all before it; here they are as one expects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlberth_serve.codecs.recordio import LABEL, write_record, write_tensor
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, RECORDIO
from mlberth_serve.profiles.peer_formats import write_smc_csv

ACCEPTS = (JSON, JSON_LINES, RECORDIO, CSV)
SCORE = "score"

_LABELS = ("predicted_label", "labels")
_PROBABILITIES = ("probability", "probabilities")
_RAW = ("raw_score", "raw_scores")
_REGRESSION = ("predicted_score",)
VALID_KEYS: dict[str, tuple[str, ...]] = {
    "reg:squarederror": _REGRESSION,
    "reg:logistic": _REGRESSION,
    "reg:gamma": _REGRESSION,
    "reg:absoluteerror": _REGRESSION,
    "reg:tweedie": _REGRESSION,
    "binary:logistic": (*_LABELS, *_PROBABILITIES, *_RAW),
    "binary:logitraw": (*_LABELS, *_RAW),
    "binary:hinge": (*_LABELS, *_RAW),
    "multi:softmax": (*_LABELS, *_RAW),
    "multi:softprob": (*_LABELS, *_PROBABILITIES, *_RAW),
}
"""What can be selected for each objective, in the order of an answer."""

Selected = dict[str, Any]


def select(predictions: Any, keys: Sequence[str], objective: str, classes: int) -> list[Selected]:
    """Return the selected content of each prediction; a key that the objective does not have is nan."""
    valid = [key for key in VALID_KEYS[objective] if key in keys]
    others = {key: np.nan for key in keys if key not in valid}
    labels = [0, 1] if objective.startswith("binary:") else list(range(classes))
    return [
        {key: labels if key == "labels" else _VALUES[key](objective, raw) for key in valid} | others
        for raw in predictions
    ]


def write_selected(selected: list[Selected], keys: Sequence[str], accept: str, *, batch: bool) -> bytes:
    """Write selected content; CSV in the order of the keys, with a line end after the last for batch."""
    if accept == CSV:
        rows = (",".join(_csv_cell(item[key]) for key in keys) for item in selected)
        return ("\n".join(rows) + ("\n" if batch else "")).encode()
    return _write_items(selected, accept)


def write_scores(scores: list[Any], accept: str, *, batch: bool) -> bytes:
    """Write plain predictions; in batch they are lines, whatever the type."""
    if batch:
        return "".join(f"{score}\n" for score in scores).encode()
    if accept == CSV:
        return write_smc_csv(scores)
    return _write_items([{SCORE: score} for score in scores], accept)


def _write_items(items: Sequence[Mapping[str, Any]], accept: str) -> bytes:
    if accept == JSON:
        return json.dumps({"predictions": items}).encode()
    if accept == JSON_LINES:
        return "".join(json.dumps(item) + "\n" for item in items).encode()
    tensors = ({key: _to_tensor(value) for key, value in item.items()} for item in items)
    return b"".join(write_record(LABEL, tensor) for tensor in tensors)


def _to_tensor(value: Any) -> bytes:
    return write_tensor(np.atleast_1d(np.array(value, dtype=np.float32)))


def _csv_cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)


def _predicted_label(objective: str, raw: Any) -> float | int:
    if objective == "multi:softprob":
        return int(np.argmax(raw))
    if objective == "binary:logistic":
        return int(raw > 0.5)
    if objective == "binary:logitraw":
        return int(raw > 0)
    label: float = raw.item()
    return label


def _best(objective: str, raw: Any) -> float:
    value: float = raw.max().item() if objective == "multi:softprob" else raw.item()
    return value


def _all(objective: str, raw: Any) -> list[float]:
    if objective == "multi:softprob":
        values: list[float] = raw.tolist()
        return values
    return [1.0 - raw.item(), raw.item()]


_VALUES: dict[str, Callable[[str, Any], Any]] = {
    "predicted_label": _predicted_label,
    "probability": _best,
    "probabilities": _all,
    "raw_score": _best,
    "raw_scores": _all,
    "predicted_score": lambda _, raw: raw.item(),
}
