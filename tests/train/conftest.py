"""Fixtures of the training side."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.running import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return an empty tree of a job."""
    return Tree(tmp_path / "ml")
