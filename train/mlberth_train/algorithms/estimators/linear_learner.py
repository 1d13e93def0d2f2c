"""linear-learner: a linear model for a number, for 0 or 1, or for one of several classes.

Source: the platform's "How linear learner works". Rows are normalized, several models are trained by
stochastic gradient descent (scikit-learn's SGDClassifier and SGDRegressor), and the one that is best on the
channel validation is left, with the threshold that its criterion asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm, AlgorithmJob
from mlberth_train.algorithms.estimators import quality
from mlberth_train.algorithms.estimators.data import NEEDS, begin, channel, check_labels, load
from mlberth_train.algorithms.estimators.linear_fit import (
    Linear,
    Patience,
    Scaling,
    make_models,
    scaling_of,
    train_models,
)
from mlberth_train.algorithms.estimators.linear_losses import in_label_units, objective, objective_name
from mlberth_train.algorithms.estimators.linear_quality import choose_threshold, measure, metrics, scores_of
from mlberth_train.algorithms.estimators.linear_table import (
    BINARY,
    HYPERPARAMETERS,
    MULTICLASS,
    OBJECTIVE,
    REGRESSOR,
    loss_of,
    rules,
)
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.rows import Rows

log = logging.getLogger(__name__)

_SIDE_BY_SIDE = 3
_DENSE_CELLS = 2**25
"""Sparse rows with fewer cells are made dense: SGD needs fewer epochs for features with a mean of 0."""
TRAIN = channel("train", "Rows with a label each.", required=True)
VALIDATION = channel("validation", "Rows with labels that choose the model, its threshold, and when to stop.")
TEST = channel("test", "Rows with labels, for which the final model is asked.")


def train(job: AlgorithmJob) -> None:
    """Train on `train`, choose on `validation`, and leave weights, bias and threshold."""
    begin(job, HYPERPARAMETERS)
    given, host = job.hyperparameters, job.environment.hosts.current
    rows = _load_labelled(job, TRAIN)
    assert rows is not None
    validation, test = (_load_labelled(job, rule, rows.width) for rule in (VALIDATION, TEST))
    scaling = scaling_of(rows, given)
    linear, threshold = _learn(job, rows, validation, scaling)
    judging = in_label_units(given, scaling.label_scale)
    for split, some in (("train", rows), ("validation", validation), ("test", test)):
        if some:
            decision = linear.decision(some.features)
            for metric, value, kind in measure(judging, decision, some.labels, threshold):
                quality.report(host, split, metric, value, kind)
    description = {
        "feature_dim": rows.width,
        "predictor_type": given["predictor_type"],
        "loss": loss_of(given),
    }
    if given["predictor_type"] == BINARY:
        description["threshold"] = threshold
    write_model(
        job.environment.layout.model, "linear-learner", description, weights=linear.weights, bias=linear.bias
    )


def _learn(job: AlgorithmJob, rows: Rows, validation: Rows | None, scaling: Scaling) -> tuple[Linear, float]:
    """Train models side by side, and return the best of all epochs with its threshold.

    The best is that of the highest criterion on validation, or else on train, and of the least loss among
    equals.
    """
    import numpy as np

    given, host = job.hyperparameters, job.environment.hosts.current
    features, judged = scaling.features(rows.features), validation or rows
    models = make_models(features, rows.labels, given, _count(job, validation))
    judging, name, patience = (
        in_label_units(given, scaling.label_scale),
        objective_name(given),
        Patience(given),
    )
    best: tuple[float, float, int] | None = None
    chosen: tuple[Linear, float] | None = None
    for epoch, learnt in enumerate(train_models(models, features, rows, given, scaling)):
        losses = [objective(judging, linear.decision(judged.features), judged.labels) for linear in learnt]
        of_train = [objective(judging, linear.decision(rows.features), rows.labels) for linear in learnt]
        quality.report(host, "train", name, min(of_train), quality.LOSS, epoch=epoch)
        if validation:
            quality.report(host, "validation", name, min(losses), quality.LOSS, epoch=epoch)
        quality.report_progress(host, epoch + 1, given["epochs"])
        for place, (linear, loss) in enumerate(zip(learnt, losses, strict=True)):
            threshold, worth = _calibrated(given, linear, judged)
            if best is None or (-worth, loss) < best[:2]:
                best, chosen = (-worth, loss, place), (linear, threshold)
        if patience.is_over(min(losses)):
            break
    assert best is not None
    assert chosen is not None
    nothing = np.full((judged.height, len(chosen[0].weights)), scaling.label_shift)
    without = objective(judging, nothing, judged.labels)
    if best[1] > without:
        log.warning("the model is worse than none: its loss is %g, that without weights %g", best[1], without)
    if len(models) > 1:
        log.info("model %d of %d is the best: wd=%g", best[2] + 1, len(models), models[best[2]].wd)
    return chosen


def _load_labelled(job: AlgorithmJob, rule: Any, width: int | None = None) -> Rows | None:
    """Return the rows of a channel; raises ContractError for labels that the predictor_type does not have."""
    given = job.hyperparameters
    rows = load(job, rule, dense_below=_DENSE_CELLS)
    if rows is None:
        return None
    if width not in (None, rows.width):
        found = f"rows of {rows.width} features"
        raise ContractError(Fault(f"the channel {rule.name}", found, f"{width}, as in the channel train"))
    if given["predictor_type"] == BINARY:
        check_labels(rows, rule.name, (0, 1))
    elif given["predictor_type"] == MULTICLASS:
        check_labels(rows, rule.name, range(given["num_classes"]))
    classes = set(rows.labels.tolist())
    if rule is TRAIN and given["predictor_type"] != REGRESSOR and len(classes) == 1:
        found = f"nothing but the label {classes.pop():g}"
        raise ContractError(Fault("the channel train", found, "rows of two labels or more"))
    return rows


def _count(job: AlgorithmJob, validation: Rows | None) -> int:
    wanted = job.hyperparameters["num_models"]
    if OBJECTIVE in job.hyperparameters or loss_of(job.hyperparameters) == "quantile_loss":
        return 1
    if wanted != "auto":
        return int(wanted)
    return _SIDE_BY_SIDE if validation else 1


def _calibrated(given: Mapping[str, Any], linear: Linear, judged: Rows) -> tuple[float, float]:
    """Return the threshold that the criterion asks for, and what the model is worth with it."""
    if given["predictor_type"] != BINARY:
        return 0.0, 0.0
    count = given["num_calibration_samples"]
    some = slice(None) if count == "auto" else slice(count)
    scores = scores_of(given, linear.decision(judged.features[some]))
    return choose_threshold(given, scores, judged.labels[some])


ALGORITHM = Algorithm(
    "linear-learner",
    "Learns a linear model for a number, for 0 or 1, or for one of several classes.",
    HYPERPARAMETERS,
    (TRAIN, VALIDATION, TEST),
    train,
    rules=rules,
    needs=NEEDS,
    metrics=metrics,
)
