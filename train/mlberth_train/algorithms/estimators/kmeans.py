"""k-means: mini-batches move `k * extra_center_factor` centers, which Lloyd's method then reduces to `k`.

Source: the platform's "How K-Means Clustering Works". Both steps are scikit-learn's: MiniBatchKMeans, and
KMeans on the centers, each with the weight of the rows that it has seen.
"""

from __future__ import annotations

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
    channel,
    load,
    unused,
)
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.hyperparameters import (
    CATEGORICAL,
    CONTINUOUS,
    INTEGER,
    LIST,
    Hyperparameter,
)

_AUTO = ("auto",)
_STARTS = ("random", "kmeans++")
_METRICS = ("msd", "ssd")
_EXTRA_CENTERS = 10
_TRIALS = 10

HYPERPARAMETERS = (
    Hyperparameter("k", INTEGER, range="[1, inf)", required=True, help="The number of clusters."),
    Hyperparameter("feature_dim", INTEGER, range="[1, inf)", required=True, help="The number of features."),
    Hyperparameter(
        "mini_batch_size", INTEGER, 5000, range="[1, inf)", help="Rows that move the centers together."
    ),
    Hyperparameter(
        "init_method", CATEGORICAL, "random", choices=_STARTS, help="How the first centers are chosen."
    ),
    Hyperparameter(
        "extra_center_factor",
        INTEGER,
        "auto",
        range="[1, inf)",
        choices=_AUTO,
        help="How many times k centers are moved before they are reduced to k. auto: "
        f"{_EXTRA_CENTERS}, or fewer if there are not as many rows.",
    ),
    Hyperparameter("epochs", INTEGER, 1, range="[1, inf)", help="How often all rows are gone through."),
    Hyperparameter(
        "local_lloyd_max_iter", INTEGER, 300, range="[1, inf)", help="Iterations of Lloyd's method, at most."
    ),
    Hyperparameter(
        "local_lloyd_tol",
        CONTINUOUS,
        0.0001,
        range="[0, 1]",
        help="The change at which Lloyd's method stops.",
    ),
    Hyperparameter(
        "local_lloyd_init_method",
        CATEGORICAL,
        "kmeans++",
        choices=_STARTS,
        help="How Lloyd's method chooses its first centers.",
    ),
    Hyperparameter(
        "local_lloyd_num_trials",
        INTEGER,
        "auto",
        range="[1, inf)",
        choices=_AUTO,
        help=f"How often Lloyd's method starts anew; the best result counts. auto: {_TRIALS}.",
    ),
    Hyperparameter(
        "eval_metrics",
        LIST,
        ["msd"],
        choices=_METRICS,
        help="What is said of the channel test: the mean of the squared distances, their sum, or both.",
    ),
    unused("half_life_time_size", INTEGER, "all rows weigh alike.", "[0, inf)"),
    FORCE_DENSE,
)
TRAIN = channel("train", "The rows that are clustered.", required=True, label_sizes=OPTIONAL_LABEL)
TEST = channel("test", "Rows whose distances to the centers are told.", label_sizes=OPTIONAL_LABEL)


def train(job: AlgorithmJob) -> None:
    """Cluster the rows of `train`, and leave the centers."""
    begin(job, HYPERPARAMETERS)
    rows, test = load(job, TRAIN), load(job, TEST)
    assert rows is not None
    centers = _find_centers(rows.features, job)
    host = job.environment.hosts.current
    quality.report(
        host, "train", "msd", float(_squared_distances(rows.features, centers).mean()), quality.LOSS
    )
    if test is not None:
        distances = _squared_distances(test.features, centers)
        found = {"msd": float(distances.mean()), "ssd": float(distances.sum())}
        for name in job.hyperparameters["eval_metrics"]:
            quality.report(host, "test", name, found[name], quality.LOSS)
    write_model(job.environment.layout.model, "kmeans", {"feature_dim": rows.width}, centers=centers)


def _find_centers(features: Any, job: AlgorithmJob) -> Any:
    """Return the centers, of shape (k, features)."""
    import numpy as np
    from sklearn.cluster import KMeans, MiniBatchKMeans

    given = job.hyperparameters
    k, height, epochs = given["k"], len(features), given["epochs"]
    if k > height:
        raise ContractError(
            Fault("the hyperparameter k", str(k), f"at most the {height} rows of the channel train")
        )
    factor = given["extra_center_factor"]
    count = k * (_EXTRA_CENTERS if factor == "auto" else factor)
    if count > height:
        if factor != "auto":
            found = f"{factor}, so {count} centers"
            action = f"Set it to {height // k} or less, or to auto."
            expected = f"no more centers than the {height} rows of the channel train"
            raise ContractError(Fault("the hyperparameter extra_center_factor", found, expected, action))
        count = max(k, height // k * k)
    model = MiniBatchKMeans(count, init=_start(given["init_method"]), random_state=SEED, n_init=1)
    random = np.random.default_rng(SEED)
    size = max(given["mini_batch_size"], count)  # the first batch has to hold a row for each center
    for epoch in range(epochs):
        order = random.permutation(height)
        # What is left at the end goes with the batch before it.
        for batch in np.array_split(order, max(1, height // size)):
            model.partial_fit(features[batch])
        quality.report_progress(job.environment.hosts.current, epoch + 1, epochs)
    centers = model.cluster_centers_
    if count == k:
        return centers
    weights = np.bincount(model.predict(features), minlength=count)
    trials = given["local_lloyd_num_trials"]
    local = KMeans(
        k,
        init=_start(given["local_lloyd_init_method"]),
        n_init=_TRIALS if trials == "auto" else trials,
        max_iter=given["local_lloyd_max_iter"],
        tol=given["local_lloyd_tol"],
        random_state=SEED,
    )
    used = weights > 0
    return (
        local.fit(centers[used], sample_weight=weights[used]).cluster_centers_
        if used.sum() >= k
        else centers[:k]
    )


def _start(method: str) -> str:
    return "k-means++" if method == "kmeans++" else method


def _squared_distances(features: Any, centers: Any) -> Any:
    """Return each row's squared distance to the closest center."""
    from sklearn.metrics import pairwise_distances_argmin_min

    return pairwise_distances_argmin_min(features, centers)[1].astype(float) ** 2


ALGORITHM = Algorithm(
    "kmeans",
    "Groups rows around k centers.",
    HYPERPARAMETERS,
    (TRAIN, TEST),
    train,
    needs=NEEDS,
    metrics=lambda _: {
        **quality.regexes(["train"], [("msd", quality.LOSS)]),
        **quality.regexes(["test"], [(name, quality.LOSS) for name in _METRICS]),
    },
)
