"""The placement of a handler: which worker, on which device."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

_ARBITER = -1
worker_index: ContextVar[int] = ContextVar("worker_index", default=0)
"""Which of the workers this process is, from 0; a worker that replaces another has its number.

The arbiter sets it in the process that it has forked, before anything of the user's runs there.
"""


def is_worker() -> bool:
    """Return whether this process is a worker; the arbiter loads as well, before it forks."""
    return worker_index.get(_ARBITER) != _ARBITER


@dataclass(frozen=True)
class Placement:
    """A worker and its share of the machine."""

    worker: int = 0
    device: str = "cpu"
    """"cpu", or "cuda:N": workers take the GPUs in turn."""
    model_dir: str = ""

    @property
    def gpu(self) -> int | None:
        """The number of the GPU, None on the CPU."""
        _, _, number = self.device.partition(":")
        return int(number) if number else None


def current_placement(model_dir: str, gpus: int) -> Placement:
    """Return the place of this process on a machine with some GPUs."""
    index = worker_index.get()
    return Placement(index, f"cuda:{index % gpus}" if gpus else "cpu", model_dir)
