"""The server, and where its model is."""

from __future__ import annotations

from typing import Any

from mlberth.compat.server import ServerEnvironment as Environment

__all__ = ["Environment"]

_FOLDERS = frozenset({"base_dir", "model_dir", "code_dir"})


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return Environment()[name]
    raise AttributeError(name)
