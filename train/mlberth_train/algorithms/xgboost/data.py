"""The channels of a job as XGBoost's matrices."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from mlberth.contract.channels import Channel
from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import AlgorithmJob
from mlberth_train.algorithms.channels import ChannelRule
from mlberth_train.algorithms.rows import Rows, joined, read_rows, widened
from mlberth_train.algorithms.xgboost.channel_table import TRAIN, VALIDATION
from mlberth_train.algorithms.xgboost.cluster import Cluster
from mlberth_train.algorithms.xgboost.labels import check_labels

_SHARDED = (
    "Give each host a part of it (S3DataDistributionType: ShardedByS3Key), with at least one file each."
)

log = logging.getLogger(__name__)


class Data(NamedTuple):
    """What this host trains on."""

    train: Rows
    validation: Rows | None
    """None if the job has no such channel."""


def read_data(job: AlgorithmJob, cluster: Cluster) -> Data:
    """Return the rows of this host, which may be none if another host has some.

    Raises ContractError for data that cannot be read, and if no host has any.
    """
    weights = job.hyperparameters["csv_weights"] == 1
    train = _rows(job, TRAIN, weights)
    validation = _rows(job, VALIDATION, weights)
    facts = cluster.gather((_shape(train), _shape(validation)))
    _check_some(job, TRAIN, [train_shape for train_shape, _ in facts])
    has_validation = VALIDATION.name in job.channels
    if has_validation:
        _check_some(job, VALIDATION, [validation_shape for _, validation_shape in facts])
    _tell_of_shares(job, cluster, [train_shape for train_shape, _ in facts])
    width = max(shape[1] for pair in facts for shape in pair)
    data = Data(
        _fitted(train, width, job.channels[TRAIN.name]),
        _fitted(validation, width, job.channels[VALIDATION.name]) if has_validation else None,
    )
    log.info("Train matrix has %d rows and %d columns", data.train.height, width)
    if data.validation is not None:
        log.info("Validation matrix has %d rows", data.validation.height)
    return data


def _rows(job: AlgorithmJob, rule: ChannelRule, weights: bool) -> Rows | None:
    if rule.name not in job.channels:
        return None
    rows = read_rows(job.channels[rule.name], rule, weights=weights)
    if rows is not None:
        check_labels(rows.labels, f"the channel {rule.name}", job.hyperparameters)
    return rows


def _shape(rows: Rows | None) -> tuple[int, int]:
    return (rows.height, rows.width) if rows else (0, 0)


def _check_some(job: AlgorithmJob, rule: ChannelRule, shapes: list[tuple[int, int]]) -> None:
    if not any(height for height, _ in shapes):
        path = job.channels[rule.name].path
        where = "no data" if len(shapes) == 1 else "no data on any host"
        raise ContractError(Fault(f"the channel {rule.name} ({path})", where, "rows"))


def _tell_of_shares(job: AlgorithmJob, cluster: Cluster, shapes: list[tuple[int, int]]) -> None:
    """Warn of data that is not divided among the hosts."""
    hosts = job.environment.hosts
    if cluster.size > 1 and cluster.is_leader:
        if job.channels[TRAIN.name].distribution != "ShardedByS3Key":
            text = "Each of %d hosts trains on all of the channel %s. %s"
            log.warning(text, cluster.size, TRAIN.name, _SHARDED)
        if empty := [rank for rank, (height, _) in enumerate(shapes) if not height]:
            names = sorted(hosts.names)
            shown = ", ".join(names[rank] if len(names) == cluster.size else f"rank {rank}" for rank in empty)
            log.warning("No data of the channel %s on %s. %s", TRAIN.name, shown, _SHARDED)


def _fitted(rows: Rows | None, width: int, channel: Channel) -> Rows:
    """Return rows with so many columns; raises ContractError for an array that has fewer."""
    import numpy as np
    from scipy import sparse

    if rows is None:
        return Rows(np.empty((0, width), np.float32), np.empty(0, np.float32))
    if rows.width == width:
        return rows
    if not sparse.issparse(rows.features):
        found = f"{rows.width} columns of features"
        expected = f"{width}, as there are elsewhere in the job's data"
        raise ContractError(Fault(f"the channel {channel.name} ({channel.path})", found, expected))
    return rows._replace(features=widened(rows.features, width))


def to_dmatrix(rows: Rows, *, objective: str, threads: int) -> Any:
    """Return XGBoost's matrix of rows."""
    import xgboost

    matrix = xgboost.DMatrix(rows.features, label=rows.labels, nthread=threads)
    if rows.weights is not None:
        matrix.set_weight(rows.weights)
    if rows.groups is not None:
        matrix.set_group(rows.groups)
    if objective == "survival:aft":
        import numpy as np

        # As survival:cox has it: a negative label is a time at which the end had not come.
        times = np.abs(rows.labels)
        matrix.set_float_info("label_lower_bound", times)
        matrix.set_float_info("label_upper_bound", np.where(rows.labels < 0, np.inf, times))
    return matrix


def combined(data: Data) -> Rows:
    """Return the rows of both channels as one, for cross-validation."""
    parts = [part for part in (data.train, data.validation) if part is not None and part.height]
    return joined(parts) if parts else data.train
