"""The model servers that requests of a transform pass, one after another: one, or those of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mlberth_local import pipelines
from mlberth_local.transform.connection import Reply
from mlberth_local.transform.model_server import ModelServer

_MANY, _SINGLE = "MultiRecord", "SingleRecord"
_STRATEGIES = {"MULTI_RECORD": _MANY, "SINGLE_RECORD": _SINGLE}
_SHOWN = 200
"""As many bytes of an error's body are in a message."""


@dataclass(frozen=True)
class Parameters:
    """How requests are made."""

    max_concurrent: int = 1
    max_payload_mb: int = 6
    """0 sends an object in chunks, however large it is."""
    strategy: str = _MANY

    @property
    def payload(self) -> int:
        """The largest payload in bytes."""
        return self.max_payload_mb * 1024 * 1024

    def __str__(self) -> str:
        """Return the words of the service's log."""
        strategy = next(word for word, name in _STRATEGIES.items() if name == self.strategy)
        return (
            f"MaxConcurrentTransforms={self.max_concurrent}, MaxPayloadInMB={self.max_payload_mb}, "
            f"BatchStrategy={strategy}"
        )


class ModelClient:
    """The model servers of one instance. May be used by several threads at once."""

    def __init__(
        self,
        *ports: int,
        names: Sequence[str] = (),
        content_type: str | None = None,
        accept: str | None = None,
        timeout: float = 600.0,
        retries: int = 3,
        first_pause: float = 0.1,
    ) -> None:
        """Take the ports of the containers, in the order in which requests pass them, and their names.

        A request has `timeout` seconds on its whole way, and is tried again `retries` times: after
        `first_pause` seconds, then after twice as many, and so on.
        """
        self.servers = [ModelServer(port) for port in ports]
        self._names = names
        self._content_type = content_type
        self._accept = accept
        self._heads: dict[tuple[int, str | None], bytes] = {}
        self.timeout = timeout
        self.retries = retries
        self.first_pause = first_pause

    def is_ready(self) -> bool:
        """Return whether every server answers /ping with 200."""
        return self.unready() is None

    def unready(self) -> int | None:
        """Return the place of the first server that does not answer /ping with 200; None if all do."""
        places = (place for place, server in enumerate(self.servers) if not server.is_ready())
        return next(places, None)

    def container(self, place: int) -> str:
        """Return how messages call a container of a pipeline; nothing if there is only one."""
        return pipelines.place(self._names, place) if len(self.servers) > 1 else ""

    @property
    def last(self) -> str:
        """How messages call the container that answers."""
        return self.container(len(self.servers) - 1)

    def parameters(self, given: dict[str, Any]) -> Parameters:
        """Return the job's own parameters, else what every server can take, else the defaults."""
        found = [server.execution_parameters() for server in self.servers]
        strategies = {_STRATEGIES.get(str(one.get("BatchStrategy", "")).upper()) for one in found}
        payload = given.get("MaxPayloadInMB")
        return Parameters(
            given.get("MaxConcurrentTransforms") or _least(found, "MaxConcurrentTransforms", 1),
            _least(found, "MaxPayloadInMB", 6) if payload is None else payload,
            given.get("BatchStrategy") or (_SINGLE if _SINGLE in strategies else _MANY),
        )

    def head(self, place: int, before: Reply | None) -> bytes:
        """Return a request's head for a container, but for the lines that say how its body ends.

        `before` is what the container before it has answered, whose media type is that of the body.
        """
        media_type = before.content_type if before else self._content_type
        head = self._heads.get((place, media_type))
        if head is None:
            # The job's Accept is for what it stores, which the last container makes.
            accept = self._accept if place == len(self.servers) - 1 else None
            lines = [
                "POST /invocations HTTP/1.1",
                "Host: 127.0.0.1",
                *([f"Content-Type: {media_type}"] if media_type else ()),
                *([f"Accept: {accept}"] if accept else ()),
                "",
            ]
            head = self._heads[place, media_type] = "\r\n".join(lines).encode("latin-1")
        return head

    def no_answer(self, place: int, error: Exception) -> str:
        """Return the problem of a request that a container has not answered."""
        return f"Unable to get response from algorithm: {self._where(place)}{error or type(error).__name__}"

    def bad_answer(self, place: int, reply: Reply, before: Reply | None) -> str:
        """Return the problem of a request whose answer is an error."""
        text = reply.body[:_SHOWN].decode(errors="replace").strip()
        problem = f"{self._where(place)}{reply.status}: {text}"
        if before:
            sent = f"{len(before.body)} bytes of {before.content_type or 'no media type'}"
            problem += f" (it was sent {sent} by {self.container(place - 1)})"
        if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"ClientError: {problem}"
        return f"Bad HTTP status received from algorithm: {problem}"

    def _where(self, place: int) -> str:
        container = self.container(place)
        return f"{container}: " if container else ""

    def close(self) -> None:
        """Close the kept connections; no request may be on its way."""
        for server in self.servers:
            server.close()


def _least(found: Sequence[dict[str, Any]], name: str, default: int) -> int:
    """Return the least of the numbers that servers give; 0 sets no limit."""
    values = [one.get(name) for one in found]
    whole = [
        value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0
    ]
    return min(filter(None, whole), default=0 if whole else default)
