"""What the stand-ins know of the server that they are in: it tells them before it imports a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlberth.compat.values import Values

_told: dict[str, Any] = {}


def publish(environment: Mapping[str, Any], read_recordio: Callable[[bytes], Any]) -> None:
    """Tell of this process's server: its settings under the peers' names, how it reads recordio-protobuf."""
    _told.update(environment=environment, read_recordio=read_recordio)


def read_recordio(body: bytes) -> Any:
    """Return the rows of a recordio-protobuf body: an array, or a sparse matrix."""
    return _known("read_recordio")(body)


class ServerEnvironment(Values):
    """The server, under the names that sagemaker-containers and sagemaker-inference-toolkit have for it."""

    def __init__(self) -> None:
        super().__init__(_known("environment"))


def _known(name: str) -> Any:
    if name not in _told:
        raise RuntimeError(f"{name}: known in a process that `serve` has started, and in no other")
    return _told[name]
