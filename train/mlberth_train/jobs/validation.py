"""A tree checked against the training contract, every fault at once, nothing run or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from mlberth.contract.channels import read_channels
from mlberth.contract.hosts import read_hosts
from mlberth.contract.hyperparameters import read_hyperparameters
from mlberth.contract.json_files import read_object, read_object_or_list
from mlberth.contract.layout import BASE_DIR, Layout
from mlberth.contract.sm_variables import sm_variables
from mlberth.errors import Fault, MlberthError
from mlberth.paths import is_folder
from mlberth_train.jobs.training import Training, make_job, packed_code

# Files that the platform writes for others, and that have to be JSON all the same.
_OTHERS = ("trainingjobconfig", "debughookconfig", "profilerconfig", "init-config")


def faults_of(base: Path, environ: Mapping[str, str], python: str) -> list[Fault]:
    """Return everything in a tree, and in the variables that go with it, that `train` would refuse."""
    layout = Layout(base)
    if not is_folder(base):
        return [Fault(str(base), "no such folder", "a tree such as /opt/ml")]
    found = list(dict.fromkeys(fault for check in _checks(layout, environ) for fault in _faults(check)))
    # What a job is made of is checked when its files can be read.
    return found or list(_faults(lambda: _check_job({**environ, BASE_DIR: str(base)}, python)))


def _checks(layout: Layout, environ: Mapping[str, str]) -> Iterator[Callable[[], object]]:
    yield partial(read_hyperparameters, layout.hyperparameters)
    yield partial(read_channels, layout)
    yield partial(read_hosts, layout.resource_config, environ, engines=True)
    yield partial(read_object, layout.checkpoint_config, default={})
    yield partial(read_object_or_list, layout.config / "metric-definition-regex.json")
    for name in _OTHERS:
        yield partial(read_object, layout.config / f"{name}.json", default={})


def _check_job(environ: Mapping[str, str], python: str) -> None:
    training = Training.from_environ(environ)
    sm_variables(training.environment)
    # Code that is elsewhere, or packed, is seen when it is there.
    if not training.source and not packed_code(training):
        make_job(training, environ, python)


def _faults(check: Callable[[], object]) -> tuple[Fault, ...]:
    try:
        check()
    except MlberthError as error:
        return error.faults
    return ()
