"""Checkpoints `xgboost-checkpoint.N` after each round N, and going on from the last one."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost

TEMP_FILE_SUFFIX = ".sagemaker-ignore"
FILE_LOCK_SUFFIX = ".sagemaker-uploading"
FILE_SAFE_SUFFIX = ".sagemaker-uploaded"
CHECKPOINT_FILENAME = "xgboost-checkpoint"
_NAME = re.compile(rf"{CHECKPOINT_FILENAME}\.(\d+)")
_ROUNDS = 10
"""How many rounds `xgboost.train` makes unless told."""

log = logging.getLogger(__name__)


def train(train_args: Mapping[str, Any], checkpoint_dir: str) -> xgboost.Booster:
    """Call `xgboost.train` with these arguments, from the last checkpoint on; save one after each round.

    `num_boost_round` counts all rounds, those of the checkpoint too.
    """
    arguments = dict(train_args)
    model, start = load_checkpoint(checkpoint_dir)
    rounds = arguments.get("num_boost_round", _ROUNDS)
    if model:
        log.info("%s: going on from round %d", model, start)
    arguments["num_boost_round"] = max(0, rounds - start)
    # From memory: XGBoost looks for the format in the suffix of a file, and warns of `.10`.
    arguments["xgb_model"] = bytearray(Path(model).read_bytes()) if model else None
    arguments["verbose_eval"] = False
    arguments["callbacks"] = [
        *arguments.get("callbacks", []),
        print_checkpointed_evaluation(end_iteration=rounds, start_iteration=start),
        save_checkpoint(checkpoint_dir, start_iteration=start, num_round=rounds),
    ]
    return xgboost.train(**arguments)


def load_checkpoint(checkpoint_dir: str, max_try: int = 5) -> tuple[str | None, int]:
    """Return the newest checkpoint that XGBoost can read, and how many rounds it has; else None and 0."""
    found = ((_NAME.fullmatch(path.name), path) for path in Path(checkpoint_dir or "/nowhere").glob("*"))
    numbered = sorted(((int(name[1]), path) for name, path in found if name), reverse=True)
    for number, path in numbered[:max_try]:
        try:
            xgboost.Booster(model_file=bytearray(path.read_bytes()))
        except (xgboost.core.XGBoostError, OSError):
            log.warning("%s cannot be read, and is skipped", path)
        else:
            return str(path), number + 1
    return None, 0


class SaveCheckpointCallBack(xgboost.callback.TrainingCallback):
    """Saves after each round, and keeps the last few that it has saved."""

    def __init__(  # noqa: PLR0917 - sagemaker-xgboost-container's signature
        self,
        checkpoint_dir: str,
        start_iteration: int = 0,
        max_to_keep: int = 5,
        num_round: int | None = None,
        rank: int = 0,
        iteration: int = 0,
        end_iteration: int | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint_dir = checkpoint_dir
        self.start_iteration = start_iteration
        self.max_to_keep = max_to_keep
        self.num_round = num_round or end_iteration
        self.rank = rank
        self._saved: list[Path] = []
        self._calls = iteration
        if rank == 0:
            Path(checkpoint_dir).mkdir(parents=True, exist_ok=True)

    def __call__(self, model: Any, epoch: int | None = None, evals_log: Any = None) -> bool:
        """Save the next round; for a loop of the program's own."""
        return self.after_iteration(model, self._calls if epoch is None else epoch, evals_log)

    def stop(self) -> None:
        """Do nothing: no thread is to be ended."""

    def format_path(self, iteration: int) -> str:
        """Return the file of a round."""
        return str(Path(self.checkpoint_dir) / f"{CHECKPOINT_FILENAME}.{iteration}")

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Save the round, and remove what is too old unless the platform is copying it."""
        if self.rank == 0:
            path = Path(self.format_path(self.start_iteration + epoch))
            _write(path, model)
            self._calls = epoch + 1
            self._saved.append(path)
            for old in [one for one in self._saved[: -self.max_to_keep] if not _is_uploading(one)]:
                old.unlink(missing_ok=True)
                self._saved.remove(old)
        return False


# Functions there, which do nothing but make one.
SaveCheckpoint = save_checkpoint = SaveCheckpointCallBack


class SaveIntermediateModelCallBack(xgboost.callback.TrainingCallback):
    """Saves the model itself after each round, for a job that may be stopped early."""

    def __init__(self, intermediate_model_dir: str, model_name: str, is_master: bool = True) -> None:
        super().__init__()
        self._path = Path(intermediate_model_dir) / model_name
        self.is_master = is_master

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Replace the model."""
        if self.is_master:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _write(self._path, model)
        return False


SaveIntermediateModel = save_intermediate_model = SaveIntermediateModelCallBack


class PrintCheckpoint(xgboost.callback.EvaluationMonitor):
    """Prints the evaluation of each round, counted from the first run's on."""

    def __init__(  # noqa: PLR0917 - sagemaker-xgboost-container's signature
        self,
        end_iteration: int,  # noqa: ARG002 - the same
        iteration: int = 0,  # noqa: ARG002 - the same
        rank: int = 0,
        period: int = 1,
        show_stdv: bool = True,
        start_iteration: int = 0,
    ) -> None:
        super().__init__(rank, period, show_stdv)
        self._start = start_iteration

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Print one round."""
        return bool(super().after_iteration(model, self._start + epoch, evals_log))


print_checkpointed_evaluation = PrintCheckpoint


def _write(path: Path, model: Any) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=TEMP_FILE_SUFFIX, delete=False) as file:
        file.write(model.save_raw("ubj"))
    Path(file.name).chmod(0o644)
    Path(file.name).rename(path)


def _is_uploading(path: Path) -> bool:
    uploading, uploaded = (path.with_name(path.name + end) for end in (FILE_LOCK_SUFFIX, FILE_SAFE_SUFFIX))
    return uploading.exists() and not uploaded.exists()
