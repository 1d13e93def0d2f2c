"""PyTorch: modules, optimizers, schedulers and the random state in one checkpoint.

    start = mlberth.checkpoints.torch.resume(store, model=model, optimizer=optimizer)
    for epoch in range(start, epochs):
        train(model, optimizer)
        mlberth.checkpoints.torch.save(store, epoch + 1, model=model, optimizer=optimizer)

A run that is killed and resumed goes on with the random numbers that it would have drawn.
"""

from __future__ import annotations

import random
import sys
from typing import Any, Protocol

import torch

from mlberth.checkpoints.stores import Store

FILE = "checkpoint.pt"


class Stateful(Protocol):
    """A module, an optimizer, a scheduler, a gradient scaler."""

    def state_dict(self) -> Any:
        """Return all that must be saved."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take it back."""


def save(store: Store, step: int, **parts: Stateful) -> None:
    """Save the state of each part, and of the random generators, as the checkpoint of `step`."""
    states = {name: part.state_dict() for name, part in parts.items()}
    with store.save(step) as folder, (folder / FILE).open("wb") as file:
        torch.save({"parts": states, "random": _random_state()}, file)


def resume(store: Store, **parts: Stateful) -> int:
    """Load the newest whole checkpoint into the parts; return how many steps are done, 0 without one.

    Loads tensors and plain values only (`weights_only`). Raises KeyError for a part that was not saved.
    """
    checkpoint = store.latest()
    if checkpoint is None:
        return 0
    saved = torch.load(checkpoint.path / FILE, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved["parts"][name])
    _restore_random_state(saved["random"])
    return checkpoint.step


def _random_state() -> dict[str, Any]:
    """Return the state of every generator in use, in values that weights_only loading takes."""
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if numpy := sys.modules.get("numpy"):
        name, keys, *rest = numpy.random.get_state()
        state["numpy"] = (name, keys.tolist(), *rest)
    return state


def _restore_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "numpy" in state:
        import numpy as np

        np.random.set_state(state["numpy"])
