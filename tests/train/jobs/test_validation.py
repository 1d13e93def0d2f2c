"""`mlberth validate`: every fault of a tree, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from tests.train.running import BIN, Ended, Tree, ended


def validate(tree: Tree, *arguments: str | Path, **environ: str) -> Ended:
    """Run `mlberth validate`."""
    return ended(tree.start([BIN / "mlberth", "validate", *arguments], **environ))


def test_good_tree_has_no_fault(tree: Tree) -> None:
    """A tree that `train` would run is accepted, and not touched."""
    hosts = {"current_host": "a", "hosts": ["a"]}
    tree.project("script").config(hyperparameters={"epochs": "3"}, resourceconfig=hosts, inputdataconfig={})
    before = sorted(tree.base.rglob("*"))
    assert validate(tree, tree.base) == Ended(0, f"{tree.base}: no fault found\n", "")
    assert validate(tree).code == 0
    assert sorted(tree.base.rglob("*")) == before


def test_faults_of_all_files_are_listed(tree: Tree) -> None:
    """One run names what is wrong in every file, each by its path and field."""
    tree.code(train__py="").config(
        hyperparameters=["epochs"],
        inputdataconfig={"../x": {}, "gone": {}},
        resourceconfig={"current_host": "c", "hosts": ["a", "b"]},
        checkpointconfig="x",
    )
    (tree.layout.config / "debughookconfig.json").write_text("{,}")
    ended = validate(tree)
    assert ended.code == 78
    names = [line.split(": found ")[0].rpartition("/")[2] for line in ended.err.splitlines()]
    assert [name for name in names if name] == [
        "hyperparameters.json",
        "x'",
        "inputdataconfig.json, channel 'gone'",
        "resourceconfig.json, current_host",
        "checkpointconfig.json",
        "debughookconfig.json",
    ]


def test_faults_of_the_job_are_listed(tree: Tree) -> None:
    """Variables and the program are checked as `train` would."""
    tree.code(other__py="")
    assert "SAGEMAKER_PROGRAM: found nothing" in validate(tree).err
    ended = validate(tree, SAGEMAKER_PROGRAM="other.py", SAGEMAKER_STOP_GRACE_SECONDS="x")
    assert (ended.code, ended.err.count("\n")) == (78, 1)


def test_name_of_a_tree_need_not_be_text(tree: Tree) -> None:
    """The name of the folder is shown with escapes for what is no text."""
    odd = tree.base.with_name(os.fsdecode(b"\xff"))
    tree.project("script").base.rename(odd)
    assert validate(tree, odd).out == f"{tree.base.parent}/\\udcff: no fault found\n"


def test_missing_folder_and_wrong_usage(tree: Tree) -> None:
    """A folder that is not there is a fault; two folders are a wrong use."""
    assert (
        validate(tree, "/no/such").err == "/no/such: found no such folder; expected a tree such as /opt/ml.\n"
    )
    assert validate(tree, "a", "b").code == 2
    assert validate(tree, "--help").out.startswith("usage: mlberth validate")
