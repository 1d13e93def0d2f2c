"""The server that the compatibility packages run in, published before a handler is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mlberth
from mlberth.compat.values import Values
from mlberth.contract.resources import cpu_count, gpu_count

_published: dict[str, Any] = {}


def publish(environment: Mapping[str, Any], read_recordio: Callable[[bytes], Any]) -> None:
    """Publish this server: its settings under the toolkits' names, how it reads recordio-protobuf."""
    _published.update(environment=environment, read_recordio=read_recordio)


def is_published() -> bool:
    """Return whether this is a process of a server."""
    return bool(_published)


def read_recordio(body: bytes) -> Any:
    """Return the rows of a recordio-protobuf body, as the server reads it: an array, or a sparse matrix."""
    return _published["read_recordio"](body)


class ServerEnvironment(Values):
    """The server, under the names that sagemaker-containers and sagemaker-inference-toolkit have for it.

    Outside of one, what a program that is to start a server may ask: where its model and its code are.
    """

    def __init__(self) -> None:
        super().__init__(_published["environment"] if is_published() else _expected())


def _expected() -> dict[str, Any]:
    layout = mlberth.environment().layout
    return {
        "base_dir": str(layout.base),
        "model_dir": str(layout.model),
        "code_dir": str(layout.model / "code"),
        "module_dir": str(layout.code),
        "module_name": "inference",
        "default_accept": "application/json",
        "num_cpus": cpu_count(),
        "num_gpus": gpu_count(),
    }
