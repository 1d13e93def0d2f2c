"""Data and tables that the algorithms have in common: rows, checked, and hyperparameters without effect."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import AlgorithmJob
from mlberth_train.algorithms.channels import CSV, RECORDIO, ChannelRule
from mlberth_train.algorithms.hyperparameters import CATEGORICAL, Hyperparameter
from mlberth_train.algorithms.rows import Rows, read_rows

log = logging.getLogger(__name__)

SEED = 0
"""Of everything that is drawn: the same job leaves the same model."""
FORMS = (CSV, RECORDIO)
OPTIONAL_LABEL = (0, 1)
"""The label sizes of rows whose labels nobody looks at."""
NEEDS = {"sklearn": 'scikit-learn (pip install "mlberth[sklearn]", or the image mlberth-train:sklearn)'}
WITHOUT_EFFECT = "Without effect here: "
_BOOLEAN = ("true", "false", "True", "False")  # the platform's SDK sends Python's words


def channel(
    name: str, text: str, *, required: bool = False, label_sizes: tuple[int, ...] = (1,)
) -> ChannelRule:
    """Return a channel of csv, whose columns at the left are labels, or of recordio-protobuf."""
    return ChannelRule(name, required, FORMS, label_sizes=label_sizes, help=text)


def boolean(name: str, default: str | None, text: str, *others: str) -> Hyperparameter:
    """Return a hyperparameter that is true or false, or another word."""
    return Hyperparameter(name, CATEGORICAL, default, choices=(*_BOOLEAN, *others), help=text)


def unused(
    name: str, kind: str, reason: str, limits: str = "", choices: tuple[Any, ...] = ()
) -> Hyperparameter:
    """Return a hyperparameter that is checked and accepted, and changes nothing here."""
    return Hyperparameter(name, kind, range=limits, choices=choices, help=WITHOUT_EFFECT + reason)


FORCE_DENSE = unused("force_dense", CATEGORICAL, "rows are always dense.", choices=_BOOLEAN)
"""The platform's SDK sends it."""


def begin(job: AlgorithmJob, table: Sequence[Hyperparameter]) -> None:
    """Say which of the job's hyperparameters have no effect."""
    silent = [one for one in table if one.name in job.hyperparameters and one.help.startswith(WITHOUT_EFFECT)]
    if silent:
        reasons = (f"{one.name} ({one.help.removeprefix(WITHOUT_EFFECT).rstrip('.')})" for one in silent)
        log.info("accepted without effect: %s", "; ".join(reasons))


def load(job: AlgorithmJob, rule: ChannelRule, *, dense_below: float = math.inf) -> Rows | None:
    """Return the rows of a channel, dense if they have less cells than that; None without the channel.

    Raises ContractError for a channel without rows, for rows of another width than `feature_dim`, and for
    cells that are no finite numbers.
    """
    import numpy as np
    from scipy import sparse

    if rule.name not in job.channels:
        return None
    where = f"the channel {rule.name}"
    rows = read_rows(job.channels[rule.name], rule)
    if rows is None:
        raise ContractError(Fault(where, "no rows", "data", "Look at the channel's S3Uri."))
    width = job.hyperparameters.get("feature_dim", "auto")
    rows = _without_label(rows, width, rule, job.channels[rule.name].content_type)
    features = rows.features
    if sparse.issparse(features):
        # As wide as its last cell, if the records do not say it.
        if width != "auto" and features.shape[1] < width:
            features.resize(features.shape[0], width)
        features = features.toarray() if features.shape[0] * features.shape[1] < dense_below else features
    if width != "auto" and features.shape[1] != width:
        found = f"rows of {features.shape[1]} features"
        action = (
            "feature_dim counts no labels; the content type text/csv;label_size=N says how many there are."
        )
        raise ContractError(Fault(where, found, f"the feature_dim of {width}", action))
    cells = features.data if sparse.issparse(features) else features
    if not np.isfinite(cells).all():
        raise ContractError(_not_finite(where, features, sparse.issparse(features)))
    if rows.labels is not None and not np.isfinite(rows.labels).all():
        row = int(np.flatnonzero(~np.isfinite(rows.labels).reshape(rows.height, -1).all(axis=1))[0])
        raise ContractError(Fault(f"{where}, row {row + 1}", "a label that is no finite number", "a number"))
    return rows._replace(features=features)


def _without_label(rows: Rows, width: int | str, rule: ChannelRule, content_type: str | None) -> Rows:
    """Return rows without the label that the platform expects in csv whose content type says nothing of it.

    `feature_dim` tells whether there is one.
    """
    if rule.label_sizes != OPTIONAL_LABEL or "label_size" in (content_type or "") or rows.width - 1 != width:
        return rows
    log.info(
        "the channel %s: its first column is taken for the label: there is one more than feature_dim",
        rule.name,
    )
    return rows._replace(features=rows.features[:, 1:], labels=rows.features[:, 0])


def _not_finite(where: str, features: Any, is_sparse: bool) -> Fault:
    import numpy as np

    if is_sparse:
        features = features.tocoo()
        at = int(np.flatnonzero(~np.isfinite(features.data))[0])
        row, column, value = features.row[at], features.col[at], features.data[at]
    else:
        row, column = np.argwhere(~np.isfinite(features))[0]
        value = features[row, column]
    action = "Fill in what is missing, or leave such rows out."
    return Fault(f"{where}, row {row + 1}, feature {column + 1}", str(value), "a finite number", action)


def check_labels(rows: Rows, where: str, allowed: Iterable[int]) -> None:
    """Raise ContractError for a label that is none of the whole numbers that there are."""
    import numpy as np

    numbers = list(allowed)
    wrong = np.flatnonzero(~np.isin(rows.labels, numbers))
    if len(wrong):
        expected = f"a whole number from {numbers[0]} to {numbers[-1]}"
        row = int(wrong[0])
        raise ContractError(
            Fault(f"the channel {where}, label of row {row + 1}", f"{rows.labels[row]:g}", expected)
        )
