"""Tests that compare a shortcut with the library's own way; the long form has a hundred times the inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

_TIMES = 100 if os.environ.get("MLBERTH_LONG") == "1" else 1


def differential(examples: int) -> Callable[[Any], Any]:
    """Mark a test whose inputs hypothesis makes; it gets as many of them in the short form."""

    def mark(test: Any) -> Any:
        return pytest.mark.differential(settings(deadline=None, max_examples=examples * _TIMES)(test))

    return mark
