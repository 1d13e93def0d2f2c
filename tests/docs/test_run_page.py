"""The page on `mlberth run`, run as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.commands import commands
from tests.docs.test_commands import shell

PAGE = "docs/how-to/run-jobs.md"


def test_commands(tmp_path: Path) -> None:
    """A job cleans the data, an algorithm learns from it, and the model answers; nothing is left."""
    pytest.importorskip("xgboost")
    [jobs] = commands(PAGE, "")
    done = shell(
        f"{jobs}\nmlberth status || true", tmp_path, HOME=str(tmp_path), MLBERTH_HOME=str(tmp_path / "home")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "clean/train.csv").read_text().split() == [
        "0,1.3,0.1",
        "0,1.4,0.2",
        "1,4.9,3.0",
        "1,5.1,3.5",
    ]
    answers = (tmp_path / "answers/rows.csv.out").read_text().split()
    assert [line.rpartition(",")[0] for line in answers] == ["5.0,3.1", "1.2,0.2"]
    assert "mlberth does not run" in done.stderr
