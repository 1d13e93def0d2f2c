"""Principal components: the directions in which rows vary most.

As the platform has them: the columns of `v` and the numbers of `s` go from the least component to the first,
so that the first component is the last number of a projection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm, AlgorithmJob
from mlberth_train.algorithms.estimators import quality
from mlberth_train.algorithms.estimators.data import (
    FORCE_DENSE,
    NEEDS,
    OPTIONAL_LABEL,
    SEED,
    begin,
    boolean,
    channel,
    load,
    unused,
)
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.hyperparameters import CATEGORICAL, INTEGER, Hyperparameter

_LEAST_EXTRA = 10

HYPERPARAMETERS = (
    Hyperparameter("feature_dim", INTEGER, range="[1, inf)", required=True, help="The number of features."),
    Hyperparameter(
        "num_components", INTEGER, range="[1, inf)", required=True, help="The number of components."
    ),
    Hyperparameter(
        "algorithm_mode",
        CATEGORICAL,
        "regular",
        choices=("regular", "randomized"),
        help="regular: exact. randomized: an approximation that is quicker if there are many features.",
    ),
    boolean("subtract_mean", "true", "Whether the mean is taken off rows, in training and in predictions."),
    Hyperparameter(
        "extra_components",
        INTEGER,
        -1,
        range="[-1, inf)",
        help="More is more exact and takes longer, in the mode randomized. -1: num_components, at least "
        f"{_LEAST_EXTRA}.",
    ),
    unused("mini_batch_size", INTEGER, "all rows are taken at once.", "[1, inf)"),
    FORCE_DENSE,
)
TRAIN = channel("train", "The rows whose components are found.", required=True, label_sizes=OPTIONAL_LABEL)
TEST = channel(
    "test", "Rows of which it is told how much the components leave out.", label_sizes=OPTIONAL_LABEL
)


def _rules(given: Mapping[str, Any]) -> Iterable[Fault]:
    count, width = given.get("num_components"), given.get("feature_dim")
    if count and width and count > width:
        expected = f"at most the feature_dim of {width}"
        yield Fault("the hyperparameter num_components", str(count), expected)


def train(job: AlgorithmJob) -> None:
    """Find the components of `train`, and leave mean, singular values and components."""
    begin(job, HYPERPARAMETERS)
    rows, test = load(job, TRAIN), load(job, TEST)
    assert rows is not None
    given, host = job.hyperparameters, job.environment.hosts.current
    if given["num_components"] > rows.height:
        expected = f"at most the {rows.height} rows of the channel train"
        raise ContractError(
            Fault("the hyperparameter num_components", str(given["num_components"]), expected)
        )
    mean, values, components = _decompose(rows.features.astype(float), given)
    for split, some in (("train", rows), ("test", test)):
        if some is not None:
            quality.report(host, split, "mse", _left_out(some.features, mean, components), quality.LOSS)
    write_model(
        job.environment.layout.model,
        "pca",
        {"feature_dim": rows.width, "num_components": given["num_components"]},
        mean=mean,
        s=values[::-1].copy(),
        v=components[::-1].T.copy(),
    )


def _decompose(features: Any, given: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the mean, and singular values and components (one a row) from the first on."""
    import numpy as np
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.utils.extmath import svd_flip

    count, extra = given["num_components"], given["extra_components"]
    extra = max(_LEAST_EXTRA, count) if extra < 0 else extra
    is_exact = given["algorithm_mode"] == "regular"
    if given["subtract_mean"].lower() == "true":
        solver = "full" if is_exact else "randomized"
        model = PCA(count, svd_solver=solver, n_oversamples=extra, random_state=SEED).fit(features)
        return model.mean_, model.singular_values_, model.components_
    mean = np.zeros(features.shape[1])
    if not is_exact:
        model = TruncatedSVD(count, n_oversamples=extra, random_state=SEED).fit(features)
        return mean, model.singular_values_, model.components_
    left, values, components = np.linalg.svd(features, full_matrices=False)
    _, components = svd_flip(left, components, u_based_decision=False)
    return mean, values[:count], components[:count]


def _left_out(features: Any, mean: Any, components: Any) -> float:
    """Return the mean square of what is lost if rows are projected and brought back."""
    import numpy as np

    centered = features - mean
    lost = centered - centered @ components.T @ components
    return float(np.mean(lost**2))


ALGORITHM = Algorithm(
    "pca",
    "Finds the few directions in which rows vary most, and projects rows onto them.",
    HYPERPARAMETERS,
    (TRAIN, TEST),
    train,
    rules=_rules,
    needs=NEEDS,
    metrics=lambda _: quality.regexes(["train", "test"], [("mse", quality.LOSS)]),
)
