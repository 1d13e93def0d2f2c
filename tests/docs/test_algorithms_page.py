"""The page on training without code, run as it is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.commands import ROOT, commands
from tests.docs.test_commands import shell

from mlberth_train.algorithms.registry import ALGORITHMS

PAGE = "docs/how-to/train-without-code.md"


def test_commands(tmp_path: Path) -> None:
    """The job leaves a model, and prints lines such as those that are shown."""
    shutil.copytree(ROOT / "examples/iris", tmp_path / "examples/iris")
    (script,) = commands(PAGE, "Train")
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ml/model/algorithm.npz").exists()
    for line in re.findall(r"#quality_metric: host=algo-1, (.*?) <", (ROOT / PAGE).read_text()):
        assert re.search(rf"#quality_metric: host=\S+, {line} <", done.stdout), line


def test_xgboost(tmp_path: Path) -> None:
    """The job leaves a model, and prints the line that is shown, whose numbers are those of a version."""
    shutil.copytree(ROOT / "examples/iris", tmp_path / "examples/iris")
    (script,) = commands(PAGE, "XGBoost")
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "boosted/model/xgboost-model").exists()
    (shown,) = re.findall(r"^\[0\]\t.*$", (ROOT / PAGE).read_text(), re.MULTILINE)
    names = re.sub(r":\S+", "", shown)
    assert names in [re.sub(r":\S+", "", line) for line in done.stdout.splitlines()]


def test_the_table_has_every_algorithm_that_answers() -> None:
    """Each row of the table of responses is an algorithm of the registry."""
    rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert set(rows) <= set(ALGORITHMS)
    assert len(rows) == 5
