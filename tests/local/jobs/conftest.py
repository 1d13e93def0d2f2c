"""A platform with plain processes and no API: operations are called as the API calls them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.jobs.job_platform import JobPlatform


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return a platform; nothing is left of its jobs at the end."""
    platform = JobPlatform(tmp_path / "home")
    yield platform
    platform.close()
