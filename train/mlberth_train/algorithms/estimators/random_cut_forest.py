"""Anomaly scores by an isolation forest, which stands in for the platform's random cut forest.

Both isolate rows by random cuts, and score a row by how soon it is alone. Cuts here do not favour wide
features, and scores are from 0 to 1 (about 0.5 for a usual row), not on the platform's open scale.
"""

from __future__ import annotations

import logging
from typing import Any

from mlberth_train.algorithms.algorithm import Algorithm, AlgorithmJob
from mlberth_train.algorithms.estimators import quality
from mlberth_train.algorithms.estimators.data import (
    FORCE_DENSE,
    NEEDS,
    OPTIONAL_LABEL,
    SEED,
    begin,
    channel,
    check_labels,
    load,
    unused,
)
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.hyperparameters import INTEGER, LIST, Hyperparameter
from mlberth_train.algorithms.rows import Rows

log = logging.getLogger(__name__)

_ACCURACY, _FSCORE = "accuracy", "precision_recall_fscore"
_SIGMAS = 3.0
_NAMES = [(name, quality.SCORE) for name in ("accuracy", "precision", "recall", "f1")]

HYPERPARAMETERS = (
    Hyperparameter("feature_dim", INTEGER, range="[1, 10000]", required=True, help="The number of features."),
    Hyperparameter("num_trees", INTEGER, 100, range="[50, 1000]", help="The number of trees."),
    Hyperparameter(
        "num_samples_per_tree",
        INTEGER,
        256,
        range="[1, 2048]",
        help="How many rows a tree is grown from; one of so many rows is expected to be an anomaly.",
    ),
    Hyperparameter(
        "eval_metrics",
        LIST,
        [_ACCURACY, _FSCORE],
        choices=(_ACCURACY, _FSCORE),
        help="What is said of the channel test, in which rows are labelled 1 for an anomaly, else 0.",
    ),
    unused("mini_batch_size", INTEGER, "all rows are taken at once.", "[1, inf)"),
    FORCE_DENSE,
)
TRAIN = channel("train", "Rows, most of which are no anomalies.", required=True, label_sizes=OPTIONAL_LABEL)
TEST = channel("test", "Rows with labels: 1 for an anomaly, else 0.")


def train(job: AlgorithmJob) -> None:
    """Grow a forest from `train`, and leave its cuts."""
    from sklearn.ensemble import IsolationForest

    begin(job, HYPERPARAMETERS)
    log.info("random-cut-forest is an isolation forest here, whose scores go from 0 to 1")
    rows, test = load(job, TRAIN), load(job, TEST)
    assert rows is not None
    given, host = job.hyperparameters, job.environment.hosts.current
    size = min(given["num_samples_per_tree"], rows.height)
    forest = IsolationForest(n_estimators=given["num_trees"], max_samples=size, random_state=SEED).fit(
        rows.features
    )
    if test is not None:
        check_labels(test, "test", (0, 1))
        _report(forest, test, given["eval_metrics"], host)
    description = {"feature_dim": rows.width, "num_trees": given["num_trees"], "samples": size}
    write_model(job.environment.layout.model, "random-cut-forest", description, **_flatten(forest))


def _report(forest: Any, test: Rows, wanted: list[str], host: str) -> None:
    """Print how well the platform's rule, three standard deviations above the mean, finds the anomalies."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    scores = -forest.score_samples(test.features)
    found = scores > scores.mean() + _SIGMAS * scores.std()
    if _ACCURACY in wanted:
        quality.report(host, "test", "accuracy", float(accuracy_score(test.labels, found)), quality.SCORE)
    if _FSCORE in wanted:
        values = precision_recall_fscore_support(test.labels, found, average="binary", zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), values, strict=False):
            quality.report(host, "test", name, float(value), quality.SCORE)


def _flatten(forest: Any) -> dict[str, Any]:
    """Return all trees as arrays of nodes, one tree after the other.

    `roots`: where each tree begins. `left`, `right`: a node's children; a leaf's are itself. `feature`,
    `threshold`: a row goes left if its feature, a float32, is at most that. `length`: of a leaf, how long the
    path to a row of its own would be on average.
    """
    import numpy as np

    parts: dict[str, list[Any]] = {name: [] for name in ("left", "right", "feature", "threshold", "length")}
    roots, start = [], 0
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        nodes = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        depth = np.zeros(tree.node_count)
        for node in nodes[~leaf]:  # parents come before their children
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
        roots.append(start)
        parts["left"].append(start + np.where(leaf, nodes, tree.children_left))
        parts["right"].append(start + np.where(leaf, nodes, tree.children_right))
        parts["feature"].append(np.where(leaf, 0, tree.feature))
        parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        parts["length"].append(depth + average_path(tree.n_node_samples))
        start += tree.node_count
    whole = ("left", "right", "feature")
    arrays = {
        name: np.concatenate(part).astype(np.int32 if name in whole else np.float64)
        for name, part in parts.items()
    }
    return {**arrays, "roots": np.array(roots, np.int32)}


def average_path(counts: Any) -> Any:
    """Return how long a path is, on average, in a tree of so many rows (Liu, Ting and Zhou, 2008)."""
    import numpy as np

    counts = np.asarray(counts, float)
    many = np.maximum(counts, 3)
    usual = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(counts > 2, usual, np.where(counts > 1, 1.0, 0.0))


ALGORITHM = Algorithm(
    "random-cut-forest",
    "Scores how unusual a row is, by an isolation forest.",
    HYPERPARAMETERS,
    (TRAIN, TEST),
    train,
    needs=NEEDS,
    metrics=lambda _: quality.regexes(["test"], _NAMES),
)
