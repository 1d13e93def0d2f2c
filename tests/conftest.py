"""Fixtures of every root."""

from __future__ import annotations

import json
import logging
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mlberth.compat import server
from mlberth.contract.environment import Environment
from mlberth.contract.layout import Layout

GOLDEN = Path(__file__).parent / "toolkit/golden"
PACKAGES = ("mlberth", "mlberth_train", "mlberth_serve", "mlberth_local")
WriteConfig = Callable[..., Layout]

settings.register_profile("mlberth", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("mlberth")


def pytest_configure() -> None:
    """Let programs of tests be stopped by Ctrl-C, which the background jobs of a shell ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep in one process the tests of a file, which share servers, and all of Docker, and of Slurm."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class Scheduler(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            shared = [name for name in ("images", "slurm") if file.startswith(f"tests/{name}/")]
            return shared[0] if shared else file

    return Scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make text of halves of surrogate pairs that a test has logged: a process cannot hand them over."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def _our_loggers() -> Iterator[None]:
    """Give a test our loggers and the root's level as they were, whatever another test has made of them."""
    root = logging.getLogger()
    level, disabled = root.level, root.manager.disable
    for name, logger in root.manager.loggerDict.items():
        if name.partition(".")[0] in PACKAGES and isinstance(logger, logging.Logger):
            logger.handlers, logger.propagate, logger.disabled = [], True, False
            logger.setLevel(logging.NOTSET)  # only this makes a logger forget what an earlier level kept back
    yield
    root.setLevel(level)
    logging.disable(disabled)


@pytest.fixture(autouse=True)
def _no_server() -> Iterator[None]:
    """Forget the server that a test has published to the compatibility packages in this process."""
    before = dict(server._published)
    yield
    server._published.clear()
    server._published.update(before)


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
