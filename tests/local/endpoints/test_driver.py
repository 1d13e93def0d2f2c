"""The driver, killed at each of its commits."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke

from mlberth_local.store.resources import Resource, Resources


class FullOnce(Resources):
    """A store whose disk is full at the third change."""

    changes = 0

    @contextmanager
    def changing(self, kind: str, name: str) -> Iterator[Resource]:
        """Hand out a resource, or fail."""
        self.changes += 1
        if self.changes == 3:
            raise sqlite3.OperationalError("database or disk is full")
        with super().changing(kind, name) as resource:
            yield resource


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


def test_a_disk_that_is_full_for_a_while(tmp_path: Path) -> None:
    """What could not be written down is tried again."""
    with closing(EndpointPlatform(tmp_path, resources=FullOnce)) as platform:
        platform.model("a")
        platform.config("a", "a")
        assert platform.create("e", "a")["EndpointStatus"] == "InService"
