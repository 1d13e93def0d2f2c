"""The application and its model, loaded once before the workers are forked, if a fork can use them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from gunicorn.util import import_app

_FORK_SAFE_THREADS = frozenset({"jemalloc_bg_thd"})
"""Threads that see to forks themselves: pyarrow's allocator has one, and scikit-learn imports pyarrow."""


def load(path: str) -> Any:
    """Import the application, and with it the model, as what the garbage collector leaves alone.

    A collection writes to every object, and would copy in each worker what all of them share.
    """
    gc.disable()
    try:
        return import_app(path)
    finally:
        gc.collect()  # garbage would be frozen too, and stay for good
        gc.freeze()
        gc.enable()


def why_not_fork(
    tasks: Path = Path("/proc/self/task"), modules: Mapping[str, ModuleType] = sys.modules
) -> str | None:
    """Return what makes it unsafe to fork this process and predict in the child, None if nothing does."""
    # A child has the forking thread alone: a lock that another one holds stays locked in it for ever.
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    threads = sum(name not in _FORK_SAFE_THREADS for name in names)
    if threads > 1:
        return f"{threads} threads run"
    torch = modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "CUDA is in use"  # its context belongs to the process that made it
    return None
