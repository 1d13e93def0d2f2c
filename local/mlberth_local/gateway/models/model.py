"""One model on one instance, and a request's use of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

Key = tuple[str, str, str]
"""What is counted under: endpoint, variant, and the endpoint configuration if there are two, else ""."""


@dataclass(slots=True, eq=False)
class Model:
    """A model, as far as an instance has it."""

    name: str
    """By which the container knows it; also that of its folder."""
    target: str = ""
    """By which clients know it; empty if no request has named it since the gateway began."""
    path: bytes = field(init=False)
    """Where it is asked."""
    size: int | None = None
    """Of its files on the instance's disk, in bytes; None if they are not there."""
    loaded: bool = False
    leaving: bool = False
    """Whether it is being unloaded: it takes no more requests until that is over."""
    load_is_sent: bool = False
    """Whether the container is loading it right now."""
    loading: asyncio.Task[None] | None = None
    """Brings and loads it; goes on if those that wait for it have given up."""
    users: int = 0
    """Requests that have it, or wait for it: it is not unloaded under them."""
    used: float = 0.0
    """When it was asked last, by the monotonic clock; 0 if not since the gateway began."""
    loaded_at: float = 0.0

    def __post_init__(self) -> None:
        self.path = f"/models/{self.name}/invoke".encode()

    @property
    def is_idle(self) -> bool:
        """Whether nobody has anything to do with it."""
        return not (self.users or self.leaving or self.loading)


@dataclass(slots=True)
class Use:
    """A request's way to its model."""

    target: str
    name: str
    key: Key
    hit: bool = True
    """Whether the model was loaded when the request came."""
    waited: float = 0.0
    """How long it took until the model was loaded, in seconds."""
    sent: bool = False
    """Whether the request was sent to the model."""
    repeats: int = 0
    """How often the container had to be asked again."""


class LoadError(Exception):
    """A container did not load a model: its status, and what it said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:200].decode(errors='replace')}")
        self.status = status
        self.body = body
