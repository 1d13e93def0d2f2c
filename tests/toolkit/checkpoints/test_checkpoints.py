"""mlberth.checkpoints: one store a rank, where the platform says, for every program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import WriteConfig

from mlberth.checkpoints import Store, store
from mlberth.contract.layout import Layout
from mlberth.errors import ContractError

TWO_HOSTS = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}


@pytest.mark.parametrize(
    ("environ", "resources", "expected"),
    [
        ({}, {}, ""),
        ({}, TWO_HOSTS, "rank-1"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, {}, ""),
        ({"RANK": "10", "WORLD_SIZE": "16"}, TWO_HOSTS, "rank-10"),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, {}, "rank-3"),
        ({"RANK": "3"}, {}, ""),
    ],
    ids=["one host", "two hosts", "torchrun of one", "torchrun", "Open MPI", "no size"],
)
def test_each_rank_has_its_folder(
    write_config: WriteConfig, environ: dict[str, str], resources: dict[str, object], expected: str
) -> None:
    """The launcher's rank counts, else the host's; a job of one saves beside nothing."""
    layout = write_config(resourceconfig=resources)
    assert job_store(layout, environ).directory == layout.checkpoints / expected


def test_the_platform_says_where(write_config: WriteConfig) -> None:
    """LocalPath of checkpointconfig.json wins over /opt/ml/checkpoints."""
    assert job_store(write_config(checkpointconfig={"LocalPath": "/data/c"})).directory == Path("/data/c")


def test_a_rank_that_is_no_number_is_refused(write_config: WriteConfig) -> None:
    """The message names the variable and the value."""
    with pytest.raises(ContractError, match=r"RANK: found 'first'"):
        job_store(write_config(), {"RANK": "first", "WORLD_SIZE": "2"})


def job_store(layout: Layout, environ: dict[str, str] | None = None) -> Store:
    """Return the store of the job that is laid out there."""
    return store(environ={"SAGEMAKER_BASE_DIR": str(layout.base)} | (environ or {}))


def test_importing_it_imports_no_framework() -> None:
    """`import mlberth.checkpoints` is for every program."""
    code = "import sys, mlberth.checkpoints; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "mlberth" in loaded
    assert not loaded & {"numpy", "joblib", "sklearn", "torch", "xgboost"}
