"""The driver, killed at each of its commits."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke

LONG = os.environ.get("MLBERTH_LONG") == "1"
COMMITS = range(1, 13) if LONG else (2, 8)
"""Of those that a creation and an update make; in short: the programs start, and traffic is shifted."""
MOMENTS = ("before", "after") if LONG else ("after",)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("commit", COMMITS)
def test_a_killed_daemon(tmp_path: Path, commit: int, moment: str) -> None:
    """The next one brings the endpoint to where it was going, and leaves nothing of what was begun twice."""
    words = [sys.executable, "-m", "tests.local.endpoints.killed_daemon", str(tmp_path), str(commit), moment]
    root = Path(__file__).parents[3]
    done = subprocess.run(words, cwd=root, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (-9, "")
    with closing(EndpointPlatform(tmp_path)) as platform:
        found = platform.settle("e")
        assert found["EndpointStatus"] == "InService", found
        [port] = platform.ports("e")
        assert invoke(port, "1") == f"{found['EndpointConfigName']}<1>"
        [(_, instance)] = platform.state("e").instances()
        assert platform.endpoints.context.parts.engine.names() == {f"endpoint.e.{instance.name}.1"}
