"""Jobs in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.algorithms.jobs import Jobs


@pytest.fixture
def jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Jobs:
    """Return what runs jobs in an empty folder."""
    return Jobs(tmp_path, capsys)
