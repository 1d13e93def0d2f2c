"""The server that the compatibility packages run in, published before a handler is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlberth.compat.values import Values

_published: dict[str, Any] = {}


def publish(environment: Mapping[str, Any], read_recordio: Callable[[bytes], Any]) -> None:
    """Publish this server: its settings under the toolkits' names, how it reads recordio-protobuf."""
    _published.update(environment=environment, read_recordio=read_recordio)


def is_published() -> bool:
    """Tell whether this is a process of a server."""
    return bool(_published)


def read_recordio(body: bytes) -> Any:
    """Return the rows of a recordio-protobuf body: an array, or a sparse matrix."""
    return _known("read_recordio")(body)


class ServerEnvironment(Values):
    """The server, under the names that sagemaker-containers and sagemaker-inference-toolkit have for it."""

    def __init__(self) -> None:
        super().__init__(_known("environment"))


def _known(name: str) -> Any:
    if name not in _published:
        raise RuntimeError(f"{name}: known in a process that `serve` has started, and in no other")
    return _published[name]
