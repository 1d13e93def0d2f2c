"""Inference pipelines: the containers of a model, which each request passes one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def container_names(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of a model's containers: `primary`, or those of a pipeline."""
    if len(containers) == 1:
        return ["primary"]
    return [
        container.get("ContainerHostname") or f"container-{number}"
        for number, container in enumerate(containers, 1)
    ]


def place(names: Sequence[str], index: int) -> str:
    """Return how messages call a container of a pipeline; nothing if it is the only one."""
    return f"container {names[index]} ({index + 1} of {len(names)})" if len(names) > 1 else ""
