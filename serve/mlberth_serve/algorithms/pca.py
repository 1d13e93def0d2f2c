"""Principal components: each row's projection, the first component last."""

from __future__ import annotations

from mlberth_serve.algorithms.model_file import AlgorithmModel
from mlberth_serve.algorithms.scorer import Scorer


def make_scorer(model: AlgorithmModel) -> Scorer:
    """Return the function that scores rows; raises ModelLoadError."""
    width = model.whole("feature_dim")
    components = model.array("v", width, model.whole("num_components"))
    mean = model.array("mean", width)
    return lambda features, verbose: {"projection": (features - mean) @ components}  # noqa: ARG005
