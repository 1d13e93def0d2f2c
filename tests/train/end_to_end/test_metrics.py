"""Metrics of real jobs: found in the output, recorded, drawn, and reported to a tuner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support import wait_until
from tests.train.hosts import HostGroup
from tests.train.running import BIN, Tree, ended

PRINTS = """
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=1.0)
rate = parser.parse_args().rate
for epoch in range(5):
    print(f"epoch {epoch} train_loss: {rate / (epoch + 1):.4f}")
    print(f"validation auc={1 - rate / 10}", file=sys.stderr)
"""
LOGS = """
import mlberth.metrics
for epoch in range(5):
    mlberth.metrics.log({"validation:auc": epoch / 10}, step=epoch)
"""
DEFINITIONS = [
    {"Name": "train:loss", "Regex": r"train_loss: ([0-9.]+)"},
    {"Name": "validation:auc", "Regex": r"auc=(\\S+)".replace("\\\\", "\\")},
]


def metrics(tree: Tree, name: str) -> list[Any]:
    """Return the values of a metric in the order of its records."""
    path = tree.layout.output_data / "metrics.jsonl"
    return [
        record[name]
        for record in map(json.loads, path.read_text().splitlines())
        if record.get(name) is not None
    ]


def test_definitions_are_applied_to_both_streams(tree: Tree) -> None:
    """The output passes as it is; the records and the plot are there at the end."""
    tree.code(train__py=PRINTS).config(**{"metric-definition-regex": DEFINITIONS})
    done = tree.train()
    assert done.code == 0, done.err
    assert done.out == "".join(f"epoch {epoch} train_loss: {1 / (epoch + 1):.4f}\n" for epoch in range(5))
    assert done.err.count("validation auc=0.9\n") == 5
    assert metrics(tree, "train:loss") == [1.0, 0.5, 0.3333, 0.25, 0.2]
    assert metrics(tree, "validation:auc") == [0.9] * 5
    assert "train:loss" in (tree.layout.output_data / "metrics.svg").read_text()


@pytest.mark.parametrize("program", [PRINTS, LOGS], ids=["prints", "logs"])
def test_a_tuner_gets_its_objective(tree: Tree, program: str) -> None:
    """It sets the objective and new hyperparameters, run by run; the program and the rest stay the same."""
    tree.code(train__py=program)
    tree.config(**{"metric-definition-regex": DEFINITIONS} if program == PRINTS else {})
    for rate in ("0.5", "2.5"):
        given = {"_tuning_objective_metric": "validation:auc"} | ({"rate": rate} if program == PRINTS else {})
        tree.config(hyperparameters=given)
        done = tree.train()
        assert done.code == 0, done.err
        expected = 1 - float(rate) / 10 if program == PRINTS else 0.4
        step = "" if program == PRINTS else " at step 4"
        assert f"The program succeeded; objective validation:auc = {expected:g}{step}\n" in done.err
        assert len(metrics(tree, "validation:auc")) == 5, "those of the run before are gone"
        assert metrics(tree, "validation:auc")[-1] == expected


def test_an_objective_that_the_program_never_prints(tree: Tree) -> None:
    """The job succeeds; one warning says what to do."""
    tree.code(train__py="").config(hyperparameters={"_tuning_objective_metric": "auc"})
    done = tree.train()
    assert done.code == 0
    assert done.err.count("The objective metric 'auc' was not found") == 1


def test_a_failure_has_the_last_metrics(tree: Tree) -> None:
    """failure.json has what there was before the end."""
    tree.code(train__py=f"{LOGS}\nraise ValueError('boom')")
    tree.config(hyperparameters={"_tuning_objective_metric": "validation:auc"})
    assert tree.train().code == 1
    details = json.loads((tree.layout.output_data / "failure.json").read_text())
    assert details["objective"] == {"name": "validation:auc", "value": 0.4, "step": 4}
    assert details["metrics"] == {"validation:auc": 0.4}
    assert (tree.layout.output_data / "metrics.svg").exists()


EVIL = """
import sys, time
print("a" * 100 + "!")
began = time.monotonic()
for number in range(20000):
    print("x" * 100)
print(f"took={time.monotonic() - began}")
print("loss=0.5;")
"""


def test_a_regex_that_backtracks_does_not_stop_the_log(tree: Tree) -> None:
    """The program prints on at its own speed, and the other metrics are found."""
    evil = [{"Name": "evil", "Regex": "(a+)+$"}, {"Name": "loss", "Regex": "loss=(.*?);"}]
    tree.code(train__py=EVIL).config(**{"metric-definition-regex": evil})
    done = tree.train()
    assert done.code == 0
    assert len(done.out.splitlines()) == 20003
    assert "The regex of the metric 'evil' took more than 1 s" in done.err
    assert metrics(tree, "loss") == [0.5]
    assert float(done.out.rpartition("took=")[2].splitlines()[0]) < 5, "seconds for 2 MB"


WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("loss=0.25;"), sys.exit(0)))
print("a" * 100 + "!")
print("ready")
time.sleep(60)
"""


def test_a_stop_while_a_regex_backtracks(tree: Tree) -> None:
    """The signal is passed on at once; nothing is left behind."""
    evil = [{"Name": f"evil{number}", "Regex": "(a+)+$"} for number in range(20)]
    tree.code(train__py=WAITS).config(**{"metric-definition-regex": evil})
    command = tree.start([BIN / "train"])
    assert command.stdout
    while command.stdout.readline() != "ready\n":
        pass
    began = time.monotonic()
    command.send_signal(signal.SIGTERM)
    done = ended(command)
    assert done.code == 0
    assert "loss=0.25;" in done.out
    assert time.monotonic() - began < 15
    listed = f"pgrep -f {tree.base}"
    wait_until(lambda: subprocess.run(listed.split(), check=False, capture_output=True).returncode == 1)


def test_explain_says_what_is_looked_for(tree: Tree) -> None:
    """The metrics by their names, and the objective."""
    tree.code(train__py="").config(**{"metric-definition-regex": DEFINITIONS})
    tree.config(hyperparameters={"_tuning_objective_metric": "validation:auc"})
    found = "metrics:  train:loss, validation:auc (by MetricDefinitions); the objective is validation:auc\n"
    assert found in tree.train("--explain").out


def test_ranks_of_a_launcher(tree: Tree) -> None:
    """Each rank's lines are searched behind its prefix, and each of its records has its rank."""
    tree.code(train__py=f"{LOGS}\nprint('train_loss: 0.5')").config(
        **{"metric-definition-regex": DEFINITIONS}
    )
    done = tree.train(SAGEMAKER_LAUNCHER="plain", SAGEMAKER_PROCESSES_PER_HOST="2")
    assert done.code == 0, done.err
    lines = (tree.layout.output_data / "metrics.jsonl").read_text().splitlines()
    logged = [record["rank"] for record in map(json.loads, lines) if "definition" not in record]
    assert sorted(logged) == [0] * 5 + [1] * 5
    assert metrics(tree, "train:loss") == [0.5, 0.5]
    assert len(metrics(tree, "validation:auc")) == 10


def test_validate_takes_a_list_of_definitions(tree: Tree) -> None:
    """The file that the platform writes is a list or an object."""
    tree.layout.model.mkdir(parents=True)
    tree.code(train__py="").config(**{"metric-definition-regex": DEFINITIONS})
    done = ended(tree.start([BIN / "mlberth", "validate", tree.base]))
    assert (done.code, done.err.count("metric-definition-regex")) == (0, 0), done.err


HOSTS = """
import os, signal, sys
import mlberth.metrics

rank = int(os.environ["RANK"])
for step in range(3):
    mlberth.metrics.log(loss=10 * rank + step, step=step)
print(f"train_loss: {rank + 0.5}")
if os.environ.get("DIE"):
    open("logged", "w").close()
    signal.pause()
"""


def test_the_leader_has_the_metrics_of_all_hosts(tmp_path: Path) -> None:
    """One file and one chart have those that are logged and those that are found; the others keep theirs."""
    group = HostGroup(
        tmp_path,
        3,
        hyperparameters={"_tuning_objective_metric": "loss"},
        **{"metric-definition-regex": DEFINITIONS},
    ).code(train__py=HOSTS)
    hosts = group.train(SAGEMAKER_LAUNCHER="plain")
    assert [host.code for host in hosts] == [0, 0, 0], hosts
    leader, *others = group.trees
    records = [json.loads(line) for line in leader.layout.metrics().read_text().splitlines()]
    found = {(record["host"], record["loss"]) for record in records if "loss" in record}
    assert found == {(name, 10 * rank + step) for rank, name in enumerate(group.names) for step in range(3)}
    assert {record["train:loss"] for record in records if "train:loss" in record} == {0.5, 1.5, 2.5}
    assert len(records) == 12
    chart = (leader.layout.output_data / "metrics.svg").read_text()
    assert all(name in chart for name in group.names)
    assert "objective loss = 2 at step 2" in hosts[0].err, "the first rank's"
    for name, tree in zip(group.names[1:], others, strict=True):
        assert len(tree.layout.metrics(name).read_text().splitlines()) == 4


def test_metrics_of_a_host_that_dies_are_not_lost(tmp_path: Path) -> None:
    """The leader had them already."""
    group = HostGroup(tmp_path, 2).code(train__py=HOSTS)
    with group.running(SAGEMAKER_LAUNCHER="plain", DIE="1") as commands:
        kept = group.trees[0].layout.metrics()
        wait_until(lambda: kept.exists() and len(kept.read_text().splitlines()) == 6, timeout=60)
        os.kill(commands[1].pid, signal.SIGKILL)
        assert ended(commands[0]).code == 70
    losses = sorted(json.loads(line)["loss"] for line in kept.read_text().splitlines())
    assert losses == [0, 1, 2, 10, 11, 12]
