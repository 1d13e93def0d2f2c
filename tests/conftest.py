"""Fixtures of every root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlberth.contract.layout import Layout

WriteConfig = Callable[..., Layout]


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
