"""One cluster for all tests of Slurm."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster, why_not


@pytest.fixture(scope="session")
def _started() -> Iterator[Cluster]:
    if why := why_not():
        if os.environ.get("MLBERTH_REQUIRE_SLURM") == "1":
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    with Cluster.started(folder) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture
def cluster(_started: Cluster) -> Iterator[Cluster]:
    """Yield the cluster with all its nodes idle; its shared folder is the test's own."""
    _started.tidy()
    yield _started
    _started.tidy()
