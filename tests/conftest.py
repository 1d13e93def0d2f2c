"""Fixtures of every root."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mlberth.contract.environment import Environment
from mlberth.contract.layout import Layout

TESTS = Path(__file__).parent
GOLDEN = TESTS / "toolkit/golden"
WriteConfig = Callable[..., Layout]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep in one process the tests of a file, which share servers, and all that use the Docker engine."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        item.add_marker(pytest.mark.xdist_group(folder if folder == "images" else str(item.path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make text of halves of surrogate pairs that a test has logged: a process cannot hand them over."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def _same_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put our loggers back: a command that runs in here sends their records to a stream of its own."""
    for name in ("mlberth", "mlberth_train", "mlberth_serve"):
        logger = logging.getLogger(name)
        for attribute in ("handlers", "level", "propagate"):
            monkeypatch.setattr(logger, attribute, getattr(logger, attribute))


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Return a function that lays out a tree with the given configuration files, and returns its layout."""

    def write(**files: Any) -> Layout:
        layout = Layout(tmp_path / "ml")
        for folder in (layout.config, layout.data, layout.model, layout.code, layout.output):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (layout.config / f"{name}.json").write_text(text)
        return layout

    return write


@pytest.fixture
def golden_job(tmp_path: Path) -> Environment:
    """Read the job whose exports sagemaker-training 5.1.4 has written down."""
    shutil.copytree(GOLDEN / "config", tmp_path / "input/config")
    for channel in ("training", "my-chan"):
        (tmp_path / "input/data" / channel).mkdir(parents=True)
    job = Environment.from_environ(
        {
            "SAGEMAKER_BASE_DIR": str(tmp_path),
            "TRAINING_JOB_NAME": "job-env",
            "SAGEMAKER_TRAINING_MODULE": "pkg.mod:fn",
        }
    )
    return job._replace(num_cpus=2, num_gpus=0, num_neurons=0)
