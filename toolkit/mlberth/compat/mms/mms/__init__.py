"""A compatibility package for multi-model-server if that is not installed."""

from __future__ import annotations

__version__ = "1.1.11"
