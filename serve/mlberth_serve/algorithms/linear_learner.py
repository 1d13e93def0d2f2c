"""linear-learner: a score for each row, and the class that it means."""

from __future__ import annotations

import numpy as np

from mlberth_serve.algorithms.answer import Columns
from mlberth_serve.algorithms.model_file import AlgorithmModel, fault
from mlberth_serve.algorithms.scorer import Scorer
from mlberth_serve.codecs.base import Array

_BINARY, _MULTICLASS, _REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"


def make_scorer(model: AlgorithmModel) -> Scorer:
    """Return the function that scores rows; raises ModelLoadError."""
    kind = model.word("predictor_type", _BINARY, _MULTICLASS, _REGRESSOR)
    weights = model.array("weights", None, model.whole("feature_dim")).T.copy()
    outputs = weights.shape[1]
    bias = model.array("bias", outputs)
    if not outputs or (kind == _MULTICLASS) != (outputs > 1):
        raise fault(f"weights of {outputs} outputs for a {kind}")
    is_margin = model.description.get("loss") == "hinge_loss"
    threshold = model.description.get("threshold", 0.0)
    if not isinstance(threshold, int | float):
        raise fault(f"a threshold {threshold!r}")

    def score_binary(decision: Array) -> Columns:
        scores = decision[:, 0] if is_margin else np.exp(-np.logaddexp(0, -decision[:, 0]))
        return {"score": scores, "predicted_label": (scores >= threshold).astype(int)}

    def score_classes(decision: Array) -> Columns:
        each = np.exp(decision - decision.max(axis=1, keepdims=True))
        return {"score": each / each.sum(axis=1, keepdims=True), "predicted_label": decision.argmax(axis=1)}

    def score(features: Array, verbose: bool) -> Columns:  # noqa: ARG001 - a scorer's signature
        decision = features @ weights + bias
        if kind == _REGRESSOR:
            return {"score": decision[:, 0]}
        return score_binary(decision) if kind == _BINARY else score_classes(decision)

    return score
