"""Metrics of a training program: lines in the log, and records in output/data/metrics.jsonl.

    import mlberth.metrics

    mlberth.metrics.log(loss=0.3, step=7)
    mlberth.metrics.log({"validation:auc": 0.9}, step=7)

Runs in the user's program. Standard library; may import the root and `contract`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from mlberth.metrics.lines import to_line, to_numbers
from mlberth.metrics.live import LiveLine
from mlberth.metrics.records import Recorder

__all__ = ["log"]


def log(values: Mapping[str, Any] | None = None, /, *, step: int | None = None, **metrics: Any) -> None:
    """Print metrics as one line, and append them to output/data/metrics.jsonl.

    The line is `metrics: step=7; loss=0.3;`, for the regex `loss=(.*?);`. A value is a number, or anything
    that holds just one, such as a tensor. Names that are no identifiers go into a mapping. On a terminal each
    line overwrites the one before. Raises ContractError for what is not a number.
    """
    numbers = to_numbers({**(values or {}), **metrics}, step)
    recorder, live = _outlets()
    recorder.append(numbers, step)
    line = to_line(numbers, step)
    if not live.show(line):
        print(line, flush=True)  # noqa: T201 - what it is for


_OUTLETS: dict[int, tuple[Recorder, LiveLine]] = {}
"""By process: a forked one may have another rank."""


def _outlets() -> tuple[Recorder, LiveLine]:
    """Return where this process's metrics go; worked out at the first call."""
    process = os.getpid()
    if process not in _OUTLETS:
        _OUTLETS.clear()
        live = LiveLine(sys.stdout, os.environ.get("TERM", ""))
        _OUTLETS[process] = Recorder.from_environ(os.environ), live
    return _OUTLETS[process]
