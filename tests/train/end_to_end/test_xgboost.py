"""Jobs of XGBoost without a program, run by the real `train` on the container's own abalone data."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from tests.train.hosts import HostGroup
from tests.train.running import BIN, ROOT, Ended, Tree, ended

ABALONE = ROOT / "tests/projects/abalone"
# Those of the container's own jobs (test/integration/local/test_abalone.py).
HYPERPARAMETERS = {
    "max_depth": "5",
    "eta": "0.2",
    "gamma": "4",
    "min_child_weight": "6",
    "subsample": "0.7",
    "objective": "reg:squarederror",
    "num_round": "20",
}
PARAMETERS = {name: json.loads(HYPERPARAMETERS[name]) for name in list(HYPERPARAMETERS)[:5]} | {"nthread": 1}
FILE = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "ContentType": "libsvm"}
ALGORITHM = {"SAGEMAKER_ALGORITHM": "xgboost", "OMP_NUM_THREADS": "1"}


def job(tree: Tree, **hyperparameters: str) -> Tree:
    """Write a job on the abalone data."""
    channels = {"train": FILE, "validation": FILE}
    for name in channels:
        tree.layout.data.mkdir(parents=True, exist_ok=True)
        tree.layout.channel(name).symlink_to(ABALONE / name)
    merged = {**HYPERPARAMETERS, "nthread": "1", **hyperparameters}
    return tree.config(hyperparameters=merged, inputdataconfig=channels)


def run(tree: Tree, **environ: str) -> Ended:
    """Run a job that must succeed."""
    end = tree.train(**ALGORITHM, **environ)
    assert end.code == 0, end.err
    return end


def evaluations(output: str) -> list[str]:
    """Return the lines of evaluation in an output, without the prefix of a rank."""
    return re.findall(r"^(?:\[rank 0\] )?(\[\d+\]\t.*)$", output, re.MULTILINE)


def native(name: str) -> xgboost.DMatrix:
    """Return a channel as XGBoost's own reader of files, which the container uses, reads it."""
    return xgboost.DMatrix(f"{ABALONE / name}?format=libsvm")


def load(path: Path) -> xgboost.Booster:
    """Return a saved booster."""
    return xgboost.Booster(model_file=bytearray(path.read_bytes()))


@pytest.fixture
def expected() -> xgboost.Booster:
    """Return what the container trains: xgboost.train over files that XGBoost reads."""
    return xgboost.train(PARAMETERS, native("train"), 20)


@pytest.mark.filterwarnings("ignore:.*[Tt]ext file input")
def test_the_model_is_the_containers(tree: Tree, expected: xgboost.Booster) -> None:
    """The same rows, parameters and rounds give the same predictions."""
    regexes = [{"Name": "own", "Regex": r".*\[[0-9]+\].*#011validation-rmse:(\S+)"}]
    job(tree, eval_metric="rmse", _tuning_objective_metric="validation:mae")
    end = run(tree.config(**{"metric-definition-regex": regexes}))
    rows = native("validation")
    model = load(tree.layout.model / "xgboost-model")
    assert np.allclose(model.predict(rows), expected.predict(rows), atol=1e-5)
    assert [path.name for path in tree.layout.model.iterdir()] == ["xgboost-model"]
    lines = evaluations(end.out)
    assert len(lines) == 20
    names = ("train-mae", "train-rmse", "validation-mae", "validation-rmse")
    assert re.fullmatch(r"\[19\]" + "".join(rf"\t{name}:\d\.\d{{5}}" for name in names), lines[-1])
    # Metrics are found as the platform names them; a regex of the platform's (#011) finds a tab.
    records = [json.loads(line) for line in tree.layout.metrics("").read_text().splitlines()]
    assert len(records) == 20
    assert records[-1]["own"] == records[-1]["validation:rmse"]
    assert lines[-1].endswith(f"validation-rmse:{records[-1]['own']:.5f}")
    assert "validation:mae" in end.err


@pytest.mark.parametrize(("save", "code"), [("true", 0), ("false", 143)])
def test_a_job_that_is_stopped(tree: Tree, save: str, code: int) -> None:
    """It saves the model of the rounds that are done, and succeeds, if the job asks for that."""
    job(tree, num_round="1000000", save_model_on_termination=save)
    command = tree.start([BIN / "train"], **ALGORITHM)
    assert command.stdout
    first = next(line for line in command.stdout if line.startswith("[2]\t"))
    assert first
    command.send_signal(signal.SIGTERM)
    assert ended(command).code == code
    model = tree.layout.model / "xgboost-model"
    assert model.exists() == (save == "true")
    if model.exists():
        assert load(model).num_boosted_rounds() >= 3


def test_a_program_goes_before_the_algorithm(tree: Tree) -> None:
    """An image may name an algorithm for jobs without a program; without both, the error names the way."""
    assert tree.code(train__py="print('mine')").train(**ALGORITHM).out == "mine\n"
    other = Tree(tree.base.parent / "other")
    assert other.code(readme="x").train().code == 78
    assert "SAGEMAKER_ALGORITHM, such as xgboost" in other.failure
    assert other.train(SAGEMAKER_ALGORITHM="xgb").code == 78
    assert "SAGEMAKER_ALGORITHM: found 'xgb'; expected one of" in other.failure
    end = other.code(main__py="print('mine')").train(SAGEMAKER_ALGORITHM="xgboost")
    assert "main.py is not run, and xgboost trains: set SAGEMAKER_PROGRAM" in end.err
    assert "the hyperparameter num_round: found nothing" in other.failure


def sharded(group: HostGroup, shares: dict[str, list[str]], **hyperparameters: str) -> HostGroup:
    """Give the hosts their shares of the lines of the abalone data."""
    channels: dict[str, Any] = {name: {**FILE, "S3DistributionType": "ShardedByS3Key"} for name in shares}
    for number, tree in enumerate(group.trees):
        for name, parts in shares.items():
            tree.layout.channel(name).mkdir(parents=True)
            if parts[number]:
                (tree.layout.channel(name) / "part").write_text(parts[number])
        tree.config(
            hyperparameters={**HYPERPARAMETERS, "nthread": "1", **hyperparameters}, inputdataconfig=channels
        )
    return group


@pytest.mark.filterwarnings("ignore:.*[Tt]ext file input")
def test_several_hosts_train_one_model(tmp_path: Path) -> None:
    """Also with a host whose file has no rows: it is named, and the leader alone prints and saves."""
    files = [(ABALONE / f"train/abalone.train_{number}").read_text() for number in (0, 1)]
    validation = (ABALONE / "validation/abalone.validation").read_text()
    shares = {"train": [*files, "\n"], "validation": [validation, "", ""]}
    group = sharded(HostGroup(tmp_path, 3), shares, subsample="1", eval_metric="r2,rmse")
    ends = group.train(**ALGORITHM)
    assert [end.code for end in ends] == [0, 0, 0], [end.err for end in ends]
    assert [len(evaluations(end.out)) for end in ends] == [20, 0, 0]
    assert [(tree.layout.model / "xgboost-model").exists() for tree in group.trees] == [True, False, False]
    assert "No data of the channel train on 127.0.0.4" in ends[0].out
    rows = native("validation")
    expected = xgboost.train({**PARAMETERS, "subsample": 1}, native("train"), 20)
    found = load(group.trees[0].layout.model / "xgboost-model").predict(rows)
    # The container's tolerance is none that it states; sketches of parts differ from those of the whole.
    assert np.sqrt(np.mean((found - expected.predict(rows)) ** 2)) < 0.5
    line = evaluations(ends[0].out)[-1]
    rmse, r2 = (float(re.findall(rf"validation-{name}:(\S+)", line)[0]) for name in ("rmse", "r2"))
    labels = rows.get_label()
    assert rmse == pytest.approx(np.sqrt(np.mean((found - labels) ** 2)), abs=1e-4)
    assert r2 == pytest.approx(1 - rmse**2 / labels.var(), abs=1e-3)


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports XGBoost twice more")
def test_a_host_that_fails_ends_all(tmp_path: Path) -> None:
    """The others wait for it in the collective, and report its reason with its name."""
    text = (ABALONE / "train/abalone.train_0").read_text()
    group = sharded(HostGroup(tmp_path, 2), {"train": [text, "1 0=1\n"]})
    ends = group.train(**ALGORITHM)
    assert [end.code for end in ends] == [78, 78], [end.err for end in ends]
    for tree in group.trees:
        assert "line 1 of the libsvm text is not cells of numbers" in tree.failure
        assert "127.0.0.3" in tree.failure


def test_a_stop_reaches_all_hosts(tmp_path: Path) -> None:
    """All of them end after the same round, and the leader saves."""
    text = (ABALONE / "train/abalone.train_0").read_text()
    given = {"num_round": "1000000", "save_model_on_termination": "true"}
    group = sharded(HostGroup(tmp_path, 2), {"train": [text, text]}, **given)
    with group.running(**ALGORITHM) as commands:
        output = commands[0].stdout
        assert output
        assert any("[3]\t" in line for line in output)
        os.kill(commands[1].pid, signal.SIGTERM)
        ends = [ended(command) for command in commands]
    assert [end.code for end in ends] == [0, 0], [end.err for end in ends]
    assert load(group.trees[0].layout.model / "xgboost-model").num_boosted_rounds() > 3
