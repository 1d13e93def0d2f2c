"""Callbacks of XGBoost's training."""

from __future__ import annotations

from typing import Any

from xgboost.callback import EarlyStopping, EvaluationMonitor, TrainingCallback

from mlberth.checkpoints import StopRequest
from mlberth_train.algorithms.xgboost.cluster import Cluster

_DATA = "validation"


def _print(line: str) -> None:
    print(line, end="", flush=True)  # noqa: T201 - what sagemaker-xgboost-container prints, and regexes look for


class EvaluationLines(EvaluationMonitor):
    """Prints `[7]`, `train-rmse:0.51234` and so on, with tabs between them, after each round of the job."""

    def __init__(self, done: int) -> None:
        super().__init__(logger=_print)
        self._done = done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Print one line, on the leader alone."""
        return bool(super().after_iteration(model, self._done + epoch, evals_log))


class StopOnRequest(TrainingCallback):
    """Ends training after the round in which any host was asked to stop."""

    def __init__(self, stop: StopRequest, cluster: Cluster) -> None:
        super().__init__()
        self._stop = stop
        self._cluster = cluster

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Say whether to stop, the same on all hosts."""
        return self._cluster.any(self._stop.arrived)


class Patience(EarlyStopping):
    """Early stopping that goes on counting where a checkpoint was made."""

    def __init__(self, rounds: int, metric: str | None, *, maximize: bool | None, keep_best: bool) -> None:
        super().__init__(
            rounds=rounds, metric_name=metric, data_name=_DATA, maximize=maximize, save_best=keep_best
        )
        self._before: tuple[float, int] | None = None

    def before_training(self, model: Any) -> Any:
        """Read the best round of the run before, which XGBoost keeps in the model."""
        model = super().before_training(model)
        score, iteration = model.attr("best_score"), model.attr("best_iteration")
        if score is not None and iteration is not None:
            self._before = float(score), self.starting_round - 1 - int(iteration)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Count a round."""
        if self._before and not self.stopping_history:
            score, self.current_rounds = self._before
            metric = self.metric_name or list(evals_log[_DATA])[-1]
            self.stopping_history = {_DATA: {metric: [score]}}
            self.best_scores = {_DATA: {metric: [score]}}
        return bool(super().after_iteration(model, epoch, evals_log))
