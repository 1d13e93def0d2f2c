"""k-fold cross-validation: a booster for each fold, and the predictions for the rows that it has not seen.

Each booster is evaluated on its own two parts. sagemaker-xgboost-container evaluates all of them on the two
channels, which hold the rows that they are trained on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.xgboost.boosting import Plan, boost
from mlberth_train.algorithms.xgboost.metrics import predicted_classes

log = logging.getLogger(__name__)


def cross_validate(plan: Plan, matrix: Any, file: Path) -> list[Any]:
    """Return the boosters of all folds and repetitions, and write the predictions to a file."""
    import numpy as np

    folds, repeats = plan.hyperparameters["_kfold"], plan.hyperparameters["_num_cv_round"]
    rows, labels = matrix.num_row(), matrix.get_label()
    classifies = plan.objective.startswith(("binary:", "multi:"))
    if rows < folds:
        expected = "as many rows as folds, or more"
        raise ContractError(
            Fault("the hyperparameter _kfold", f"{folds}, for {rows} rows on this host", expected)
        )
    log.info("Run %d-round of %d-fold cross validation with %d rows", repeats, folds, rows)
    boosters: list[Any] = []
    results: list[Any] = []
    predictions = _Predictions(rows, repeats)
    for left_out in _folds(plan, labels if classifies else None, rows):
        if plan.cluster.any(plan.stop.arrived):
            return boosters
        repeat, fold = divmod(len(boosters), folds)
        log.info("Train cross validation fold %d", fold + 1)
        kept = np.setdiff1d(np.arange(rows), left_out)
        train, validation = matrix.slice(kept), matrix.slice(left_out)
        booster, result = boost(plan, train, validation, fold=len(boosters))
        boosters.append(booster)
        results.append(result)
        predictions.add(repeat, left_out, booster.predict(validation), plan.objective, classifies)
        if fold == folds - 1:
            _print_means(plan, results[-folds:], f"The metrics of round {repeat + 1} cross validation")
    if repeats > 1:
        _print_means(plan, results, f"The overall metrics of {repeats}-round cross validation")
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, predictions.table(labels, classifies), delimiter=",", fmt="%f")
    return boosters


def _folds(plan: Plan, classes: Any, rows: int) -> Iterator[Any]:
    """Yield the rows of each fold, anew for each repetition; each has about as many rows of each class."""
    import numpy as np

    folds, repeats = plan.hyperparameters["_kfold"], plan.hyperparameters["_num_cv_round"]
    random = np.random.default_rng(abs(plan.hyperparameters["seed"]))
    for _ in range(repeats):
        order = random.permutation(rows)
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        for fold in range(folds):
            yield np.sort(order[fold::folds])


class _Predictions:
    """What the boosters predict for rows that they have not seen, one column for each repetition."""

    def __init__(self, rows: int, repeats: int) -> None:
        import numpy as np

        self._values, self._classes = np.zeros((rows, repeats)), np.zeros((rows, repeats), int)

    def add(self, repeat: int, rows: Any, predictions: Any, objective: str, classifies: bool) -> None:
        """Take note of the predictions of a fold."""
        self._values[rows, repeat] = predictions.max(axis=1) if predictions.ndim > 1 else predictions
        if classifies:
            self._classes[rows, repeat] = predicted_classes(predictions, objective)

    def table(self, labels: Any, classifies: bool) -> Any:
        """Return label and mean prediction; of classes also the one that was found most often."""
        import numpy as np

        columns = [labels, self._values.mean(axis=1)]
        if classifies:
            columns.append([np.bincount(row).argmax() for row in self._classes])
        return np.column_stack(columns)


def _print_means(plan: Plan, results: list[Any], title: str) -> None:
    """Print the means of the last values of some boosters, as a line of evaluation."""
    import numpy as np

    known = [result for result in results if result]  # not of those that a run before has finished
    if not known or not plan.cluster.is_leader:
        return
    log.info(title)
    words = [
        f"\t{data}-{metric}:{np.mean([result[data][metric][-1] for result in known]):.5f}"
        for metric in known[0]["train"]
        for data in known[0]
    ]
    line = f"[{plan.hyperparameters['num_round']}]{''.join(words)}"
    print(line, flush=True)  # noqa: T201 - what sagemaker-xgboost-container prints, and regexes look for
