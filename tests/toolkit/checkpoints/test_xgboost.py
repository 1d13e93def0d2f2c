"""mlberth.checkpoints.xgboost: the booster of a resumed run is that of an uninterrupted one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
xgboost = pytest.importorskip("xgboost")
from mlberth.checkpoints import Store  # noqa: E402 - after the skips
from mlberth.checkpoints.xgboost import latest, train  # noqa: E402

RANKS = Path(__file__).parent.parent.parent / "projects" / "resume" / "ranks_xgboost.py"
PARAMETERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampled rows": {"subsample": 0.5, "seed": 3},
    "sampled columns": {"colsample_bytree": 0.7, "colsample_bylevel": 0.7, "colsample_bynode": 0.7},
    "dart": {"booster": "dart", "rate_drop": 0.3},
    "linear": {"booster": "gblinear"},
    "exact": {"tree_method": "exact", "subsample": 0.5},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "constraints and metrics": {
        "monotone_constraints": {"f0": 1},
        "interaction_constraints": [["f0", "f1"], ["f2", "f3"]],
        "eval_metric": ["auc", "error"],
        "subsample": 0.5,
    },
    "classes": {"objective": "multi:softprob", "num_class": 2, "subsample": 0.5},
}


@pytest.fixture(scope="module")
def rows() -> Any:
    """Return a small table with labels."""
    rng = np.random.default_rng(7)
    table = rng.normal(size=(100, 4))
    return xgboost.DMatrix(
        table, label=table[:, 0] * table[:, 1] > 0, feature_names=[f"f{i}" for i in range(4)]
    )


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_a_resumed_booster_is_the_same_bit_for_bit(
    tmp_path: Path, rows: Any, parameters: dict[str, Any]
) -> None:
    """Whatever is drawn at random, a run that stopped between two saves ends as if it had not."""
    parameters = {"objective": "binary:logistic", "nthread": 1, **parameters}
    undisturbed = train(Store(tmp_path / "a"), parameters, rows, 20, every=5)
    train(Store(tmp_path / "b"), parameters, rows, 12, every=5)
    resumed = train(Store(tmp_path / "b"), parameters, rows, 20, every=5)
    assert resumed.num_boosted_rounds() == 20
    assert resumed.save_raw("ubj") == undisturbed.save_raw("ubj")


def test_saving_changes_nothing_where_nothing_is_random(tmp_path: Path, rows: Any) -> None:
    """The booster, and what the metrics say, are those of xgboost.train."""
    parameters = {"objective": "binary:logistic", "nthread": 1, "eta": 0.2, "max_depth": 3}
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    options: dict[str, Any] = {"evals": [(rows, "training")], "verbose_eval": False}
    booster = train(Store(tmp_path), parameters, rows, 9, every=2, evals_result=ours, **options)
    plain = xgboost.train(parameters, rows, 9, evals_result=theirs, **options)
    assert booster.save_raw("ubj") == plain.save_raw("ubj")
    assert ours == theirs


def test_a_finished_run_trains_no_more(tmp_path: Path, rows: Any) -> None:
    """A job that was killed between its last save and its model file has its booster at once."""
    for _ in range(2):
        assert train(Store(tmp_path), {"nthread": 1}, rows, 4, every=2).num_boosted_rounds() == 4


def test_checkpoints_of_sagemakers_image_are_found(
    tmp_path: Path, rows: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """`xgboost-checkpoint.10` is after `.9` and holds 11 rounds; a damaged one is skipped with a warning."""
    for number in (9, 10):
        booster = xgboost.train({"nthread": 1}, rows, number + 1)
        (tmp_path / f"xgboost-checkpoint.{number}").write_bytes(booster.save_raw("ubj"))
    (tmp_path / "xgboost-checkpoint.11").write_bytes(b"{half")
    target = Store(tmp_path)
    found = latest(target)
    assert found
    assert found.num_boosted_rounds() == 11
    assert f"Skipped the damaged checkpoint {tmp_path / 'xgboost-checkpoint.11'}" in caplog.text
    assert train(target, {"nthread": 1}, rows, 13, every=1).num_boosted_rounds() == 13
    newest = latest(target)
    assert newest
    assert newest.num_boosted_rounds() == 13


def test_ranks_resume_from_the_rounds_that_all_have(tmp_path: Path, rows: Any) -> None:
    """Where one rank was killed before its last save, all go on from the one before."""
    for rank in (0, 1):
        train(Store(tmp_path / str(rank)), {"nthread": 1}, rows, 6 if rank else 4, every=2)
    done = subprocess.run(
        [sys.executable, RANKS, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = sorted(line for line in done.stdout.splitlines() if line.startswith("rank"))
    assert said == ["rank 0 has 4 rounds", "rank 1 has 4 rounds"]
