"""Bodies that show what a model takes: its sample payload, or a row of zeros of its width."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.errors import MlberthError
from mlberth_serve.frameworks.base import has_base
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.media_types import CSV, JSON, JSON_LINES, LIBSVM
from mlberth_serve.usercode.sample_payloads import SUFFIXES, find_samples

_TEXT_TYPES = frozenset({CSV, JSON, JSON_LINES, LIBSVM})
_MAX_BYTES = 65536
_MAX_COLUMNS = 1000


def find_examples(handler: Handler, model_dir: Path) -> Mapping[str, Any]:
    """Return example bodies by media type: text, or for JSON its value; none if nothing is known."""
    program = handler.program
    folders = [program.path.parent, model_dir] if program else [model_dir]
    examples: dict[str, Any] = {}
    for folder in folders:
        for path in _samples(folder):
            kind = SUFFIXES[path.suffix]
            if kind in _TEXT_TYPES and kind not in examples and path.stat().st_size <= _MAX_BYTES:
                text = path.read_text()
                examples[kind] = json.loads(text) if kind == JSON else text
    return examples or ({} if handler.input_fn or handler.transform_fn else _zeros(handler.model))


def _samples(folder: Path) -> list[Path]:
    try:
        return find_samples(folder)
    except MlberthError:  # the warm-up has told
        return []


def _zeros(model: Any) -> Mapping[str, Any]:
    names, width = _columns(model)
    if not 0 < width <= _MAX_COLUMNS:
        return {}
    row = [0] * width
    records = [dict(zip(names, row, strict=True))] if names else [row]
    return {CSV: ",".join(map(str, row)), JSON: records}


def _columns(model: Any) -> tuple[list[str], int]:
    """Return the names of a model's columns, if it has any, and how many there are; 0 if nobody knows."""
    if has_base(model, "xgboost.core.Booster"):
        return list(model.feature_names or ()), int(model.num_features())
    try:
        names = [str(name) for name in getattr(model, "feature_names_in_", ())]
        return names, int(getattr(model, "n_features_in_", 0))
    except Exception:  # noqa: BLE001 - a model of the user's own, whose attributes may be or raise anything
        return [], 0
