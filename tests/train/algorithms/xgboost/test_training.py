"""Jobs of XGBoost on the container's abalone data, in this process."""

from __future__ import annotations

import re
import shutil
import tarfile
from typing import Any

import numpy as np
import pytest
import xgboost
from tests.train.running import ROOT, Tree

from mlberth.contract.environment import Environment
from mlberth.errors import ContractError
from mlberth_train.algorithms.xgboost.algorithm import ALGORITHM
from mlberth_train.algorithms.xgboost.boosting import parameters_of

ABALONE = ROOT / "tests/projects/abalone"
FILE = {"TrainingInputMode": "File", "ContentType": "libsvm"}


def job(tree: Tree, validates: bool = True, /, **hyperparameters: str) -> Tree:
    """Write a job on the abalone data."""
    channels = {"train": FILE, **({"validation": FILE} if validates else {})}
    for name in channels:
        tree.layout.data.mkdir(parents=True, exist_ok=True)
        tree.layout.channel(name).symlink_to(ABALONE / name)
    common = {"max_depth": "5", "num_round": "2", "nthread": "1"}
    return tree.config(hyperparameters=common | hyperparameters, inputdataconfig=channels)


def train(tree: Tree) -> xgboost.Booster | None:
    """Train, and return the model, if there is one of this name."""
    environ = {"SAGEMAKER_BASE_DIR": str(tree.base)}
    ALGORITHM.train(ALGORITHM.read(Environment.from_environ(environ), environ))
    file = tree.layout.model / "xgboost-model"
    return xgboost.Booster(model_file=bytearray(file.read_bytes())) if file.exists() else None


def trained(tree: Tree) -> xgboost.Booster:
    """Train, and return the one model."""
    booster = train(tree)
    assert booster is not None
    return booster


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of evaluation that were printed."""
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]


@pytest.mark.filterwarnings("ignore:.*WARNING")
@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"booster": "dart", "rate_drop": "0.1"},
        {"booster": "gblinear", "updater": "shotgun"},
        {"tree_method": "exact", "monotone_constraints": "(0,0,1,0,0,0,0,0,0)"},
        {"interaction_constraints": "[[1, 2], [3, 4, 5]]", "single_precision_histogram": "true"},
        {"objective": "survival:aft", "aft_loss_distribution": "normal", "eval_metric": "aft-nloglik"},
        {"objective": "rank:pairwise", "eval_metric": "ndcg@5"},
        {"objective": "reg:tweedie", "eval_metric": "tweedie-nloglik"},
        {"objective": "reg:quantileerror", "quantile_alpha": "0.9"},
        {"objective": "reg:linear", "early_stopping_rounds": "1"},
    ],
    ids=lambda given: next(iter(given.values())),
)
def test_what_xgboost_can_do(
    tree: Tree,
    hyperparameters: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is passed on; what it could do once is said."""
    booster = trained(job(tree, "early_stopping_rounds" not in hyperparameters, **hyperparameters))
    assert booster.num_boosted_rounds() == 2
    assert [line[:10] for line in lines(capsys)] == ["[0]\ttrain-", "[1]\ttrain-"]
    assert ("Without effect" in caplog.text) == ("single_precision_histogram" in hyperparameters)
    assert ("has no effect without" in caplog.text) == ("early_stopping_rounds" in hyperparameters)


def test_early_stopping_keeps_the_best_model(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """It looks at the last metric on the channel validation; the rounds after the best one are cut off."""
    booster = trained(job(tree, early_stopping_rounds="3", eta="1", num_round="100"))
    errors = [float(line.rpartition(":")[2]) for line in lines(capsys)]
    best = int(np.argmin(errors))
    assert len(errors) == best + 4
    assert booster.num_boosted_rounds() == best + 1


def test_cross_validation(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """There is a model for each fold and repetition, and a prediction for each row."""
    given = {"objective": "multi:softprob", "num_class": "30", "_kfold": "3", "_num_cv_round": "2"}
    assert train(job(tree, **given)) is None
    names = [f"xgboost-model-{number}" for number in range(6)]
    assert sorted(path.name for path in tree.layout.model.iterdir()) == names
    rows = np.loadtxt(tree.layout.output_data / "predictions.csv", delimiter=",")
    assert rows.shape == (750, 3)
    assert (rows[:, 2] == rows[:, 0]).mean() > 0.15
    # The means of each repetition, and of all.
    assert [line.partition("\t")[0] for line in lines(capsys)].count("[2]") == 3


@pytest.mark.filterwarnings("ignore:.*WARNING")
def test_models_that_training_goes_on_from(tree: Tree) -> None:
    """The rounds are added to the model in the channel `model`, or its trees are changed."""
    first = Tree(tree.base.parent / "first")
    trained(job(first, num_round="4"))
    channel = tree.layout.channel("model")
    channel.mkdir(parents=True)
    with tarfile.open(channel / "model.tar.gz", "w:gz") as archive:
        archive.add(first.layout.model / "xgboost-model", "xgboost-model")
    job(tree)
    model = {**FILE, "ContentType": "application/x-sagemaker-model"}
    tree.config(inputdataconfig={"train": FILE, "model": model})
    assert trained(tree).num_boosted_rounds() == 6
    update = {"process_type": "update", "updater": "refresh", "num_round": "4", "nthread": "1"}
    assert trained(tree.config(hyperparameters=update)).num_boosted_rounds() == 4


@pytest.mark.parametrize(
    "given", [{"subsample": "0.5", "colsample_bytree": "0.5"}, {"early_stopping_rounds": "9", "eta": "0.01"}]
)
def test_a_job_goes_on_from_its_last_checkpoint(
    tree: Tree, given: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with the model that an undisturbed job has, and counts rounds and patience on."""
    tree.layout.checkpoints.mkdir(parents=True)
    whole = trained(job(tree, num_round="40", **given)).save_raw("ubj")
    printed = lines(capsys)
    (kept,) = tree.layout.checkpoints.glob("step-20")
    for other in tree.layout.checkpoints.glob("step-*"):
        if other != kept:
            shutil.rmtree(other)
    assert trained(tree).save_raw("ubj") == whole
    assert lines(capsys) == printed[20:]


def test_checkpoints_of_the_container_are_read(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    """`xgboost-checkpoint.N` holds N + 1 rounds."""
    booster = trained(job(tree, num_round="5"))
    folder = tree.base / "elsewhere"
    folder.mkdir()
    (folder / "xgboost-checkpoint.4").write_bytes(booster.save_raw("ubj"))
    capsys.readouterr()
    assert trained(tree.config(checkpointconfig={"LocalPath": str(folder)})).num_boosted_rounds() == 5
    assert lines(capsys) == []


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"process_type": "update", "updater": "prune"}, "the channel model: found nothing"),
        ({"tree_method": "gpu_hist"}, "the hyperparameter tree_method: found gpu_hist, and "),
        ({"device": "cuda"}, "the hyperparameter device: found cuda, and "),
        ({"_kfold": "1000"}, "the hyperparameter _kfold: found 1000, for 750 rows"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else None,
)
def test_what_the_user_can_mend(tree: Tree, hyperparameters: dict[str, str], message: str) -> None:
    """Values that do not fit the data are an error in a sentence."""
    with pytest.raises(ContractError, match=re.escape(message)):
        train(job(tree, **hyperparameters))


@pytest.mark.parametrize(
    ("gpus", "found"),
    [(0, "cuda, and no GPU; expected cpu, or a GPU"), (1, "cuda, and an XGBoost for CPUs alone")],
)
def test_what_is_missing_for_a_gpu_is_told(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, gpus: int, found: str
) -> None:
    """It is the GPU, or the package that can use it."""
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": False})
    environment = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(tree.base)})._replace(num_gpus=gpus)
    with pytest.raises(ContractError, match=re.escape(f"the hyperparameter device: found {found}")):
        parameters_of({"device": "cuda"}, environment)


def test_a_channel_without_data(tree: Tree) -> None:
    """It is named, and so is its folder."""
    job(tree)
    channel = tree.layout.channel("validation")
    channel.unlink()
    channel.mkdir()
    with pytest.raises(ContractError, match=re.escape(f"the channel validation ({channel}): found no data")):
        train(tree)


def test_channels_of_different_widths(tree: Tree) -> None:
    """Arrays must agree; sparse rows are widened to the widest."""
    for name, text in (("train", "1,2,3\n0,4,5\n"), ("validation", "1,2\n")):
        tree.layout.channel(name).mkdir(parents=True)
        (tree.layout.channel(name) / "rows").write_text(text)
    types = {name: {**FILE, "ContentType": "csv"} for name in ("train", "validation")}
    tree.config(hyperparameters={"num_round": "1", "nthread": "1"}, inputdataconfig=types)
    with pytest.raises(ContractError, match="found 1 columns of features; expected 2"):
        train(tree)
    (tree.layout.channel("validation") / "rows").write_text("1 0:2\n")
    types["validation"]["ContentType"] = "libsvm"
    assert trained(tree.config(inputdataconfig=types)).num_features() == 2


def test_weights_of_csv(tree: Tree) -> None:
    """A row of the weight 0 has no part in the model; a label that is no number is named with its row."""
    folder = tree.layout.channel("train")
    folder.mkdir(parents=True)
    rows = "".join(f"{number % 2},1,{number % 2}\n" + "9,0,1\n" for number in range(50))
    (folder / "rows.csv").write_text(rows)
    given: dict[str, Any] = {"num_round": "20", "csv_weights": "1", "eta": "1", "lambda": "0", "nthread": "1"}
    tree.config(hyperparameters=given, inputdataconfig={"train": {**FILE, "ContentType": "text/csv"}})
    found = trained(tree).predict(xgboost.DMatrix(np.array([[0.0], [1.0]])))
    assert found == pytest.approx([0, 1], abs=0.01)
    (folder / "rows.csv").write_text(rows + ",1,1\n")
    with pytest.raises(ContractError, match="the label nan in row 101"):
        train(tree)
