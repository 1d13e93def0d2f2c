"""docs/how-to/checkpoints.md: its programs run as they stand."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import WriteConfig

from mlberth.checkpoints import Store
from mlberth.contract.layout import Layout

PAGE = Path(__file__).parent.parent.parent.parent / "docs/how-to/checkpoints.md"
PROGRAMS = dict(
    zip(
        ("any", "sklearn", "xgboost", "torch"),
        re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL),
        strict=True,
    )
)


def run(name: str, layout: Layout) -> list[int]:
    """Run a program of the page as a job; return the steps of its checkpoints."""
    argv = [sys.executable, "-W", "error", "-c", PROGRAMS[name]]
    settings = {"SAGEMAKER_BASE_DIR": str(layout.base), "OMP_NUM_THREADS": "1"}
    subprocess.run(argv, env=os.environ | settings, check=True, timeout=120)
    return [checkpoint.step for checkpoint in Store(layout.checkpoints).checkpoints()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_page_runs(name: str, write_config: WriteConfig) -> None:
    """It keeps the newest three of its checkpoints, and leaves a model."""
    if name != "any" and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    layout = write_config()
    assert run(name, layout) == [10, 15, 20]
    assert len(list(layout.model.iterdir())) == 1


def test_the_first_program_resumes(write_config: WriteConfig) -> None:
    """It goes on from the checkpoint before the last, with what that says, where the last one is lost."""
    layout = write_config()
    run("any", layout)
    assert (layout.model / "model.json").read_text() == "190"
    (layout.checkpoints / "step-20").rename(layout.output / "lost")
    (layout.checkpoints / "step-10").rename(layout.output / "old")
    assert run("any", layout) == [15, 20]
    assert (layout.model / "model.json").read_text() == "190"
