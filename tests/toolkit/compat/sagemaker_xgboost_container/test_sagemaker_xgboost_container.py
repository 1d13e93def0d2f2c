"""The XGBoost container's names for training: data, checkpoints, and the collective of several hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.running import Server, require_nginx
from tests.support import free_port
from tests.train.running import PROJECTS, Tree

from mlberth.compat import missing_packages_path, recordio

xgboost = pytest.importorskip("xgboost")

LINES = "3 0:1 1:2\n5 0:2 1:3\n9 0:4 1:5\n"
RABIT = """
import json, sys
from sagemaker_xgboost_container import distributed
def train(is_master, out):
    from xgboost import collective
    print(json.dumps([is_master, collective.get_world_size(), sorted(collective.allreduce(
        __import__("numpy").array([1.0]), collective.Op.SUM).tolist())]))
host, included, *ports = sys.argv[1], sys.argv[2] == "yes", *map(int, sys.argv[3:])
distributed.rabit_run(train, {"out": None}, included, ["127.0.0.1", "localhost"], host, *ports,
                      update_rabit_args=True)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return an empty tree of a job."""
    return Tree(tmp_path / "ml")


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, *missing_packages_path()])


def test_sample_trains_and_serves(tree: Tree, tmp_path: Path) -> None:
    """The container's own sample: one file trains by `rabit_run` and is the handler of its model."""
    require_nginx()
    for channel in ("train", "validation"):
        (tree.layout.data / channel).mkdir(parents=True)
        (tree.layout.data / channel / "part_0").write_text(LINES)
    tree.project("abalone").config(hyperparameters={"num_round": "5", "sagemaker_program": "abalone.py"})
    ended = tree.train()
    assert ended.code == 0, ended.err
    handler = tree.layout.model / "code/inference.py"
    handler.parent.mkdir()
    handler.write_text((PROJECTS / "abalone/abalone.py").read_text())
    with Server(tmp_path, "mlberth_serve.wsgi:application", SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        server.wait_ready()
        answer = server.request("POST", "/invocations", b"4,5\n", {"Content-Type": "text/csv"})
        assert answer.status == 200, server.text
        assert len(json.loads(answer.body)) == 1


@pytest.mark.parametrize("included", [("yes", "yes"), ("yes", "no")])
def test_hosts_with_data_train_together(included: tuple[str, str]) -> None:
    """One is the master, and a host without data ends well."""
    ports = [str(free_port()), str(free_port())]
    environ = {"PYTHONPATH": ":".join([*missing_packages_path(), *filter(None, sys.path)])}
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", RABIT, host, one, *ports],
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for host, one in zip(("127.0.0.1", "localhost"), included, strict=True)
    ]
    ended = [(*command.communicate(timeout=60), command.returncode) for command in commands]
    assert [code for *_, code in ended] == [0, 0], ended
    found = [
        json.loads(line)
        for out, *_ in ended
        for line in out.splitlines()
        if line.startswith(("[true", "[false"))
    ]
    size = included.count("yes")
    assert sorted(found) == sorted([master, size, [float(size)]] for master in (True, False)[:size])


def test_no_data_anywhere_is_an_error() -> None:
    """One host alone needs no collective; without data the job must not end well."""
    from sagemaker_xgboost_container.distributed import rabit_run

    seen: list[bool] = []

    def train(is_master: bool) -> None:
        seen.append(is_master)

    rabit_run(train, {}, True, ["algo-1"], "algo-1", update_rabit_args=True)
    assert seen == [True]
    with pytest.raises(RuntimeError, match="No hosts received"):
        rabit_run(train, {}, False, ["algo-1"], "algo-1", update_rabit_args=True)


def booster(rounds: int, checkpoints: Path, **more: Any) -> Any:
    """Train with checkpoints."""
    from sagemaker_xgboost_container import checkpointing

    rows = xgboost.DMatrix(np.array([[1.0], [2], [3], [4]]), label=np.array([1.0, 3, 2, 5]))
    arguments = {"params": {"nthread": 1}, "dtrain": rows, "evals": [(rows, "train")]}
    arguments["num_boost_round"] = rounds
    return checkpointing.train({**arguments, **more}, str(checkpoints))


def test_checkpoints_are_kept_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last five stay; a second run goes on, counts its rounds from there, and ends with all of them."""
    from sagemaker_xgboost_container.checkpointing import load_checkpoint

    assert load_checkpoint(str(tmp_path / "none")) == (None, 0)
    booster(7, tmp_path)
    names = [f"xgboost-checkpoint.{number}" for number in range(2, 7)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert load_checkpoint(str(tmp_path)) == (str(tmp_path / "xgboost-checkpoint.6"), 7)
    capsys.readouterr()
    assert booster(12, tmp_path).num_boosted_rounds() == 12
    assert [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"[{number}]" for number in range(7, 12)
    ]
    assert load_checkpoint(str(tmp_path))[1] == 12
    assert booster(12, tmp_path).num_boosted_rounds() == 12


def test_callback_of_a_loop_of_ones_own(tmp_path: Path) -> None:
    """Called by hand it counts the rounds itself."""
    from sagemaker_xgboost_container.checkpointing import save_checkpoint

    callback = save_checkpoint(str(tmp_path / "own"), start_iteration=3, num_round=10)
    model = booster(1, tmp_path / "other")
    for _ in range(2):
        assert callback(model) is False
    callback.stop()
    assert sorted(path.suffix for path in (tmp_path / "own").iterdir()) == [".3", ".4"]


def test_damaged_checkpoint_is_skipped(tmp_path: Path) -> None:
    """What was cut off is not the newest, and what is no checkpoint is none."""
    from sagemaker_xgboost_container.checkpointing import load_checkpoint

    booster(3, tmp_path)
    (tmp_path / "xgboost-checkpoint.10").write_bytes(b"{L")
    (tmp_path / "xgboost-checkpoint.9.sagemaker-uploaded").touch()
    assert load_checkpoint(str(tmp_path)) == (str(tmp_path / "xgboost-checkpoint.2"), 3)


def test_checkpoint_that_is_copied_is_not_removed(tmp_path: Path) -> None:
    """The platform's marker keeps a file until it has been copied."""
    from sagemaker_xgboost_container.checkpointing import save_checkpoint

    (tmp_path / "xgboost-checkpoint.0.sagemaker-uploading").touch()
    callback = save_checkpoint(str(tmp_path), max_to_keep=1)
    model = booster(1, tmp_path / "other")
    for epoch in range(2):
        callback.after_iteration(model, epoch, {})
    assert (tmp_path / "xgboost-checkpoint.0").exists()
    (tmp_path / "xgboost-checkpoint.0.sagemaker-uploaded").touch()
    callback.after_iteration(model, 2, {})
    assert not (tmp_path / "xgboost-checkpoint.0").exists()


def test_dmatrix_of_several_paths_and_formats(tmp_path: Path) -> None:
    """A list of paths is one matrix; recordio-protobuf and parquet are read where libraries are there."""
    from sagemaker_algorithm_toolkit.exceptions import UserError
    from sagemaker_xgboost_container.data_utils import get_content_type, get_dmatrix, get_size

    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(LINES)
    paths = [str(tmp_path / "train"), str(tmp_path / "validation")]
    assert get_dmatrix(paths, "libsvm").num_row() == 6
    assert get_dmatrix([paths[0]], "text/x-libsvm").get_label().tolist() == [3, 5, 9]
    (tmp_path / "rows").write_bytes(recordio.write(np.ones((2, 3), np.float32), np.array([1.0, 2.0])))
    matrix = get_dmatrix(str(tmp_path / "rows"), "application/x-recordio-protobuf")
    assert (matrix.num_col(), matrix.get_label().tolist()) == (3, [1, 2])
    assert get_size(str(tmp_path / "train")) == len(LINES)
    assert get_size(str(tmp_path / "absent")) == 0
    assert get_content_type("text/csv; label_size=1;charset=utf8") == "csv"
    for wrong in ("image/png", "text/csv;label_size=2"):
        with pytest.raises(UserError, match="content type"):
            get_content_type(wrong)
    nothing: Any
    for nothing in (None, [], str(tmp_path / "absent")):
        with pytest.raises(UserError, match="no file"):
            get_dmatrix(nothing, "csv")


def test_encoder_outside_a_server() -> None:
    """A program that is no server reads recordio-protobuf, and writes JSON Lines."""
    from sagemaker_xgboost_container import encoder

    matrix = encoder.recordio_protobuf_to_dmatrix(recordio.write(np.ones((2, 3)), np.array([1.0, 2.0])))
    assert (matrix.num_row(), matrix.get_label().tolist()) == (2, [1, 2])
    assert encoder.json_to_jsonlines('{"predictions": [1, {"a": 2}]}') == b'1\n{"a": 2}\n'
    with pytest.raises(ValueError, match="keys"):
        encoder.json_to_jsonlines({"a": [], "b": []})


def test_custom_metrics_take_raw_predictions() -> None:
    """Two classes by the sign of a margin, more by the greatest one, numbers as they are."""
    pytest.importorskip("sklearn")
    from sagemaker_xgboost_container.metrics import custom_metrics

    rows = xgboost.DMatrix(np.zeros((4, 1)), label=np.array([0.0, 1, 1, 0]))
    margins = np.array([-2.0, 0.5, -0.5, -1])
    assert custom_metrics.accuracy(margins, rows) == ("accuracy", 0.75)
    assert custom_metrics.recall(margins, rows) == ("recall", 0.5)
    several = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    assert custom_metrics.accuracy(several, rows) == ("accuracy", 0.75)
    assert custom_metrics.rmse(np.array([0.0, 1, 1, 2]), rows) == ("rmse", 1.0)
    names = custom_metrics.get_custom_metrics(["f1", "auc", "mse"])
    found = custom_metrics.configure_feval(names)(margins, rows)
    assert [name for name, _ in found] == ["f1", "mse"]
    trained = xgboost.train({"nthread": 1}, rows, 1, custom_metric=custom_metrics.configure_feval(names))
    assert trained.num_boosted_rounds() == 1
    assert set(custom_metrics.CUSTOM_METRICS) == {
        metric(margins, rows)[0] for metric in custom_metrics.CUSTOM_METRICS.values()
    }
