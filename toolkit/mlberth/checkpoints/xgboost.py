"""XGBoost: the booster after each so many rounds.

    booster = mlberth.checkpoints.xgboost.train(store, parameters, rows, 500, every=20)

A run that is killed and resumed ends with the same booster, bit for bit, also when rows or columns are
sampled.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from xgboost import collective

from mlberth.checkpoints.stores import Checkpoint, Store

FILE = "model.ubj"
_SAGEMAKER_NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
_LOG = logging.getLogger(__name__)


def train(
    store: Store,
    params: Mapping[str, Any],
    dtrain: xgboost.DMatrix,
    num_boost_round: int = 10,
    *,
    every: int = 10,
    callbacks: Sequence[xgboost.callback.TrainingCallback] = (),
    **options: Any,
) -> xgboost.Booster:
    """Train as `xgboost.train` does, from the newest whole checkpoint on; save after each `every` rounds.

    `num_boost_round` counts all rounds, those of the checkpoint too. Early stopping begins to count
    anew in a resumed run.
    """
    booster = latest(store)
    done = 0 if booster is None else booster.num_boosted_rounds()
    return xgboost.train(
        dict(params),
        dtrain,
        num_boost_round - done,
        xgb_model=booster,
        callbacks=[SaveRounds(store, every), *callbacks],
        **options,
    )


def latest(store: Store) -> xgboost.Booster | None:
    """Return the newest whole booster, or None; ranks of one collective all return the same rounds.

    `xgboost-checkpoint.N` of SageMaker's XGBoost image counts too: N + 1 rounds, whole if XGBoost reads it.
    """
    return _newest(store, _agreed(store))


def latest_here(store: Store) -> xgboost.Booster | None:
    """Return the newest whole booster of this rank, or None: for one that saves for all."""
    return _newest(store, store.latest())


def _newest(store: Store, checkpoint: Checkpoint | None) -> xgboost.Booster | None:
    done = checkpoint.step if checkpoint else 0
    for number, path in _sagemaker_checkpoints(store.directory):
        if number < done:
            break
        try:
            # From memory: XGBoost looks for the format in a file's suffix, and warns of `.10`.
            return xgboost.Booster(model_file=bytearray(path.read_bytes()))
        except xgboost.core.XGBoostError:
            _LOG.warning("Skipped the damaged checkpoint %s", path)
    return xgboost.Booster(model_file=checkpoint.path / FILE) if checkpoint else None


def _agreed(store: Store) -> Checkpoint | None:
    """Return the newest checkpoint that every rank has: one rank may have saved what another had not yet."""
    checkpoint = store.latest()
    while collective.is_distributed():
        step = np.array([checkpoint.step if checkpoint else 0])
        minimum = int(collective.allreduce(step, collective.Op.MIN)[0])
        if minimum == int(collective.allreduce(step, collective.Op.MAX)[0]):
            break
        checkpoint = store.latest(at_most=minimum)
    return checkpoint


def _sagemaker_checkpoints(directory: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints of SageMaker's XGBoost image with their numbers, newest first."""
    names = ((_SAGEMAKER_NAME.fullmatch(path.name), path) for path in directory.glob("xgboost-checkpoint.*"))
    return sorted(((int(name[1]), path) for name, path in names if name), reverse=True)


# XGBoost saves neither its random state nor its samplers. So each save is a fresh start: the callback loads
# what it has saved, and seeds the generator with the number of rounds done.
class SaveRounds(xgboost.callback.TrainingCallback):
    """Save the booster after each `every` rounds, counted from the very first one.

    Without a store nothing is saved, but everything else is done: another rank saves for all.
    """

    def __init__(self, store: Store | None, every: int = 10) -> None:
        super().__init__()
        self._store = store
        self._every = every
        self._seed = 0

    def before_training(self, model: Any) -> Any:
        """Take note of the user's seed."""
        self._seed = int(json.loads(model.save_config())["learner"]["generic_param"]["seed"])
        if rounds := model.num_boosted_rounds():
            model.set_param({"seed": self._seed + rounds})
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Save, and go on from what was saved."""
        rounds = model.num_boosted_rounds()
        if rounds % self._every == 0:
            saved, config = model.save_raw("ubj"), model.save_config()
            if self._store:
                with self._store.save(rounds) as folder:
                    (folder / FILE).write_bytes(saved)
            model.load_model(saved)
            model.load_config(config)
            model.set_param({"seed": self._seed + rounds})
        return False
