"""The predictor of the models that `train` leaves without code: the platform's requests and responses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from mlberth.errors import ContractError, Fault
from mlberth_serve.algorithms import kmeans, knn, linear_learner, pca, random_cut_forest
from mlberth_serve.algorithms.answer import WRITERS
from mlberth_serve.algorithms.features import read_features
from mlberth_serve.algorithms.model_file import AlgorithmModel, read_file
from mlberth_serve.algorithms.scorer import Scorer
from mlberth_serve.codecs import READERS
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import MediaType, accept_parameters, negotiate
from mlberth_serve.shared.metrics_recorder import DECODE, ENCODE, PREDICT
from mlberth_serve.variables import Variables

log = logging.getLogger(__name__)

_ALGORITHMS: dict[str, tuple[str, Callable[[AlgorithmModel], Scorer]]] = {
    "linear-learner": ("predictions", linear_learner.make_scorer),
    "knn": ("predictions", knn.make_scorer),
    "kmeans": ("predictions", kmeans.make_scorer),
    "pca": ("projections", pca.make_scorer),
    "random-cut-forest": ("scores", random_cut_forest.make_scorer),
}
"""For each algorithm: the name of the list in JSON, and what makes its scorer."""
_VERBOSE = "; verbose=true"


class AlgorithmPredictor:
    """Answers with one loaded model."""

    max_batch_size = 1

    def __init__(self, path: Path, default_accept: str) -> None:
        """Load a model; raises ModelLoadError, or ContractError for a default type that it does not write."""
        if default_accept not in WRITERS:
            name = Variables.default_invocations_accept.name
            raise ContractError(Fault(name, repr(default_accept), f"one of {', '.join(WRITERS)}"))
        self._offered = tuple(dict.fromkeys((default_accept, *WRITERS)))
        model = read_file(path)
        name = model.word("algorithm", *_ALGORITHMS)
        self._envelope, make_scorer = _ALGORITHMS[name]
        self._width = model.whole("feature_dim")
        self._score = make_scorer(model)
        log.info("loaded a model of %s with %d features from %s", name, self._width, path.name)

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""
        return tuple(READERS)

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""
        return self._offered

    def move_to(self, device: str) -> None:
        """Stay on the CPU."""

    def choose_accept(self, header: str | None) -> str:
        """Return the media type of the answer, with `verbose=true` behind it if it is asked for."""
        name = negotiate(header, self._offered)
        is_verbose = accept_parameters(header, name).get("verbose", "").lower() == "true"
        return name + _VERBOSE if is_verbose else name

    def transform(
        self, body: bytes | memoryview, media_type: MediaType, context: Context
    ) -> tuple[bytes, str]:
        """Return the answer's body and media type; raises RequestError."""
        began = time.monotonic()
        features = read_features(body, media_type, self._width)
        decoded = time.monotonic()
        name = context.accept.removesuffix(_VERBOSE)
        columns = self._score(features, name != context.accept)
        predicted = time.monotonic()
        answer = WRITERS[name](columns, self._envelope)
        written = time.monotonic()
        steps = ((DECODE, decoded - began), (PREDICT, predicted - decoded), (ENCODE, written - predicted))
        context.step_times.extend((step, seconds, 1) for step, seconds in steps)
        return answer, name
