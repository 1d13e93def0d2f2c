"""k nearest neighbors: rows of the data are kept, and a prediction asks the `k` that are closest.

The search is exact, as of the index faiss.Flat; the other two kinds of index approximate it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm, AlgorithmJob
from mlberth_train.algorithms.estimators import quality
from mlberth_train.algorithms.estimators.data import NEEDS, SEED, begin, channel, load, unused
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.hyperparameters import CATEGORICAL, INTEGER, Hyperparameter
from mlberth_train.algorithms.rows import Rows

log = logging.getLogger(__name__)

_CLASSIFIER = "classifier"
_L2, _INNER, _COSINE = "L2", "INNER_PRODUCT", "COSINE"
_PQ = "faiss.IVFPQ"

HYPERPARAMETERS = (
    Hyperparameter("feature_dim", INTEGER, range="[1, inf)", required=True, help="The number of features."),
    Hyperparameter("k", INTEGER, range="[1, inf)", required=True, help="The number of neighbors."),
    Hyperparameter(
        "predictor_type",
        CATEGORICAL,
        choices=(_CLASSIFIER, "regressor"),
        required=True,
        help="classifier: the label that most neighbors have, the least among equals. regressor: their mean.",
    ),
    Hyperparameter(
        "sample_size",
        INTEGER,
        range="[1, inf)",
        required=True,
        help="How many rows of the channel train are kept, drawn by chance; all if there are fewer.",
    ),
    Hyperparameter(
        "dimension_reduction_type",
        CATEGORICAL,
        choices=("sign", "fjlt"),
        help="sign: features are projected by random signs. fjlt: by random normal numbers, which keep "
        "distances as the fast Johnson-Lindenstrauss transform does.",
    ),
    Hyperparameter(
        "dimension_reduction_target",
        INTEGER,
        range="[1, inf)",
        help="To how many features they are reduced, less than feature_dim; required with "
        "dimension_reduction_type.",
    ),
    Hyperparameter(
        "index_metric",
        CATEGORICAL,
        _L2,
        choices=(_L2, _INNER, _COSINE),
        help="L2: the Euclidean distance. INNER_PRODUCT, COSINE: the closest has the largest.",
    ),
    Hyperparameter(
        "index_type",
        CATEGORICAL,
        "faiss.Flat",
        choices=("faiss.Flat", "faiss.IVFFlat", _PQ),
        help="The search is exact with each of them.",
    ),
    unused("faiss_index_ivf_nlists", INTEGER, "the search is exact.", "[1, inf)", ("auto",)),
    unused("faiss_index_pq_m", INTEGER, "the search is exact.", "[1, 96]"),
    unused("mini_batch_size", INTEGER, "all rows are taken at once.", "[1, inf)"),
)
TRAIN = channel("train", "Rows with a label each.", required=True)
TEST = channel("test", "Rows with a label each, for which the model is asked.")


def _rules(given: Mapping[str, Any]) -> Iterable[Fault]:
    kind, target = given.get("dimension_reduction_type"), given.get("dimension_reduction_target")
    width, name = given.get("feature_dim"), "the hyperparameter dimension_reduction_target"
    if kind and not target:
        yield Fault(name, "nothing", "a whole number, which dimension_reduction_type requires")
    if target and not kind:
        yield Fault("the hyperparameter dimension_reduction_type", "nothing", "sign or fjlt, for the target")
    if target and width and target >= width:
        yield Fault(name, str(target), f"less than the feature_dim of {width}")
    if given.get("index_type") == _PQ and given.get("index_metric", _L2) != _L2:
        expected = f"{_L2}, with the index_type {_PQ}"
        yield Fault("the hyperparameter index_metric", given["index_metric"], expected)


def train(job: AlgorithmJob) -> None:
    """Draw rows of `train`, reduce their features, and leave them with their labels."""
    import numpy as np

    begin(job, HYPERPARAMETERS)
    given, host = job.hyperparameters, job.environment.hosts.current
    if given["index_type"] != "faiss.Flat":
        log.info("index_type=%s: the search is exact here, as with faiss.Flat", given["index_type"])
    rows, test = load(job, TRAIN), load(job, TEST)
    assert rows is not None
    count = min(given["sample_size"], rows.height)
    if given["k"] > count:
        found, expected = str(given["k"]), f"at most the {count} rows that are kept"
        raise ContractError(Fault("the hyperparameter k", found, expected, "Raise sample_size, or add data."))
    drawn = np.sort(np.random.default_rng(SEED).permutation(rows.height)[:count])
    projection = _projection(rows.features, given)
    features, labels = _reduced(rows.features[drawn], projection), rows.labels[drawn]
    if test is not None:
        name, kind, value = _measure(features, labels, test, projection, given)
        quality.report(host, "test", name, value, kind)
    description = {name: given[name] for name in ("feature_dim", "k", "predictor_type", "index_metric")}
    arrays = {"features": features, "labels": labels}
    write_model(
        job.environment.layout.model,
        "knn",
        description,
        **arrays,
        **({} if projection is None else {"projection": projection}),
    )


def _projection(features: Any, given: Mapping[str, Any]) -> Any:
    """Return what features are multiplied by, of shape (features, fewer), or None."""
    import numpy as np
    from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

    if "dimension_reduction_type" not in given:
        return None
    target = given["dimension_reduction_target"]
    if given["dimension_reduction_type"] == "sign":
        # With every cell taken, it draws signs alone.
        model = SparseRandomProjection(target, density=1.0, dense_output=True, random_state=SEED)
    else:
        model = GaussianRandomProjection(target, random_state=SEED)
    components = model.fit(features[:1]).components_
    dense = components.toarray() if hasattr(components, "toarray") else components
    return np.ascontiguousarray(dense.T, np.float32)


def _reduced(features: Any, projection: Any) -> Any:
    return features if projection is None else features @ projection


def _measure(
    features: Any, labels: Any, test: Rows, projection: Any, given: Mapping[str, Any]
) -> tuple[str, str, float]:
    """Return name, kind and value of what the model is worth on rows with labels."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    queries, metric = _reduced(test.features, projection), "euclidean"
    if given["index_metric"] == _COSINE:
        metric = "cosine"
    elif given["index_metric"] == _INNER:
        # Made equally long by one more feature, the closest row is that of the largest product.
        squares = (features.astype(float) ** 2).sum(axis=1)
        features = np.column_stack([features, np.sqrt(squares.max() - squares)])
        queries = np.column_stack([queries, np.zeros(len(queries))])
    is_classifier = given["predictor_type"] == _CLASSIFIER
    kind = KNeighborsClassifier if is_classifier else KNeighborsRegressor
    answers = kind(given["k"], metric=metric, algorithm="brute").fit(features, labels).predict(queries)
    if is_classifier:
        return "accuracy", quality.SCORE, float(np.mean(answers == test.labels))
    return "mse", quality.LOSS, float(np.mean((answers - test.labels) ** 2))


def _metrics(given: Mapping[str, Any]) -> Mapping[str, str]:
    is_classifier = given["predictor_type"] == _CLASSIFIER
    pair = ("accuracy", quality.SCORE) if is_classifier else ("mse", quality.LOSS)
    return quality.regexes(["test"], [pair])


ALGORITHM = Algorithm(
    "knn",
    "Answers with the labels of the rows that are closest.",
    HYPERPARAMETERS,
    (TRAIN, TEST),
    train,
    rules=_rules,
    needs=NEEDS,
    metrics=_metrics,
)
