"""Unmodified SDKs deploy to `mlberth up`, by environment alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.test_sdk_jobs import LONG, run
from tests.peers import SDK_V2

pytestmark = pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: importing the SDKs takes a while")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file."""
    daemon = Daemon(tmp_path_factory.mktemp("endpoints"))
    started = daemon.up()
    assert started.returncode == 0, started.stderr
    yield daemon
    daemon.run("down")


def test_sdk_v2(daemon: Daemon, tmp_path: Path) -> None:
    """`deploy`, `predict`, `update_endpoint`, `delete_endpoint`, and a `PipelineModel`."""
    found, _ = run("endpoints_v2.py", SDK_V2, daemon, str(tmp_path), "any:serve")
    assert found == {
        "first": [["6"]],
        "updated": [["15"]],
        "error": "ModelError",
        "status": 500,
        "pipeline": [["30"]],
    }


def test_sdk_v2_many_models(daemon: Daemon, tmp_path: Path) -> None:
    """`MultiDataModel.deploy`, `add_model` from a file and from a bucket, `list_models`, `target_model`."""
    found, _ = run("many_models_v2.py", SDK_V2, daemon, str(tmp_path), "any:serve")
    assert found == {
        "first": [["6"]],
        "models": ["/more/times-5.tar.gz", "/times-2.tar.gz"],
        "listed": [[["15"]], [["6"]]],
    }


def test_sdk_v3(daemon: Daemon, tmp_path: Path) -> None:
    """`ModelBuilder.build` and `deploy`, and `Endpoint.create`, `invoke` and `delete`."""
    found, _ = run("endpoints_v3.py", "sagemaker-serve==1.27.0", daemon, str(tmp_path), "any:serve")
    assert found == {"built": "6\n", "created": "6\n"}
