"""Which device a worker predicts on."""

from __future__ import annotations

CPU = "cpu"


def choose_device(worker: int, gpus: int) -> str:
    """Return the device of the worker of an index: the GPUs in turn, or the CPU where there are none."""
    return f"cuda:{worker % gpus}" if gpus else CPU
