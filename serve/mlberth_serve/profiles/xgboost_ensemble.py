"""The models of a folder, asked together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks import list_visible
from mlberth_serve.frameworks.pickles import is_pickle
from mlberth_serve.frameworks.xgboost import load_booster
from mlberth_serve.profiles.xgboost_input import LIBSVM_KIND
from mlberth_serve.usercode.sample_payloads import is_sample

_VOTED = {"multi:softmax", "binary:hinge"}


class EvaluationError(Exception):
    """Rows that the model cannot use; the message is for the client."""


@dataclass(frozen=True)
class Ensemble:
    """Boosters of one objective: that of the first."""

    boosters: Sequence[Any]
    objective: str
    classes: int
    """0 if the objective has none."""
    checks_width: bool
    """The container compares widths if the first booster was a pickle."""

    @property
    def columns(self) -> int:
        """How many columns the first booster was trained on."""
        columns: int = self.boosters[0].num_features()
        return columns

    def predict(self, matrix: Any, kind: str) -> Any:
        """Return the mean of the predictions; of labels the one with most votes, the least among equals."""
        if self.checks_width:
            _check_width(self.columns, matrix.num_col(), kind)
        answers = [booster.predict(matrix, validate_features=False) for booster in self.boosters]
        if len(answers) == 1:
            return answers[0]
        if self.objective not in _VOTED:
            return np.mean(answers, axis=0)
        votes = np.stack(answers)
        labels = np.unique(votes)
        counts = np.stack([(votes == label).sum(axis=0) for label in labels])
        return labels[counts.argmax(axis=0)]


def load_ensemble(folder: Path, *, whole: bool, safe_only: bool) -> Ensemble:
    """Load every file of a folder but hidden ones and sample payloads, or the first of them by name.

    Raises ModelLoadError.
    """
    where, expected = f"the model folder {folder}", "one or more models of XGBoost"
    try:
        paths = [path for path in list_visible(folder) if path.is_file() and not is_sample(path)]
    except OSError as error:
        raise ModelLoadError(Fault(where, str(error.strerror), expected)) from error
    if not paths:
        raise ModelLoadError(Fault(where, "no file in it", expected))
    paths = paths if whole else paths[:1]
    boosters = [load_booster(path, safe_only=safe_only) for path in paths]
    learner = json.loads(boosters[0].save_config())["learner"]
    classes = int(learner["learner_model_param"].get("num_class") or 0)
    return Ensemble(boosters, learner["objective"]["name"], classes, is_pickle(paths[0]))


def _check_width(trained: int, given: int, kind: str) -> None:
    if kind == LIBSVM_KIND:
        if given > trained + 1:
            raise EvaluationError(
                f"Feature size of libsvm inference data {given} is larger than "
                f"feature size of trained model {trained}."
            )
    elif given not in {trained, trained - 1}:
        raise EvaluationError(
            f"Feature size of {kind} inference data {given} is not consistent "
            f"with feature size of trained model {trained}."
        )
