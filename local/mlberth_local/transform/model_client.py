"""Requests of a transform: through one model server, or through those of a pipeline, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mlberth_local import pipelines
from mlberth_local.transform.model_server import ModelServer, Reply
from mlberth_local.transform.records import TransformError

_FIRST_PAUSE = 0.1
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


class _NoResultError(Exception):
    """A request has no result, and may have one at the next try; the text says why."""


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
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`ports` are those of the containers, in the order in which requests pass them; `names`, theirs."""
        self._servers = [ModelServer(port) for port in ports]
        self._names = names
        self._content_type = content_type
        self._accept = accept
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep

    def is_ready(self) -> bool:
        """Return whether every server answers /ping with 200."""
        return self.unready() is None

    def unready(self) -> int | None:
        """Return the place of the first server that does not answer /ping with 200; None if all do."""
        places = (place for place, server in enumerate(self._servers) if not server.is_ready())
        return next(places, None)

    def container(self, place: int) -> str:
        """Return how messages call a container of a pipeline; nothing if there is only one."""
        return pipelines.place(self._names, place) if len(self._servers) > 1 else ""

    @property
    def last(self) -> str:
        """How messages call the container that answers."""
        return self.container(len(self._servers) - 1)

    def parameters(self, given: dict[str, Any]) -> Parameters:
        """Return the job's own parameters, else what every server can take, else the defaults."""
        found = [server.execution_parameters() for server in self._servers]
        strategies = {_STRATEGIES.get(str(one.get("BatchStrategy", "")).upper()) for one in found}
        payload = given.get("MaxPayloadInMB")
        return Parameters(
            given.get("MaxConcurrentTransforms") or _least(found, "MaxConcurrentTransforms", 1),
            _least(found, "MaxPayloadInMB", 6) if payload is None else payload,
            given.get("BatchStrategy") or (_SINGLE if _SINGLE in strategies else _MANY),
        )

    def send(self, make_body: Callable[[], bytes | Iterable[bytes]]) -> bytes:
        """Return the answer to a request. Raises TransformError if it is none after all retries."""
        pause = _FIRST_PAUSE
        for attempt in range(self._retries + 1):
            try:
                return self._through(make_body())
            except _NoResultError as error:
                if attempt == self._retries:
                    raise TransformError(str(error)) from None
            self._sleep(pause)
            pause *= 2
        raise AssertionError("there is at least one attempt")

    def _through(self, body: bytes | Iterable[bytes]) -> bytes:
        """Return what the last server answers: each gets body and media type of the one before."""
        deadline = time.monotonic() + self._timeout
        reply: Reply | None = None
        for place, server in enumerate(self._servers):
            media_type = reply.content_type if reply else self._content_type
            # The job's Accept is for what it stores, which the last container makes.
            accept = self._accept if place == len(self._servers) - 1 else None
            headers = {"Content-Type": media_type, "Accept": accept}
            try:
                new = server.post(
                    reply.body if reply else body,
                    {name: value for name, value in headers.items() if value},
                    max(deadline - time.monotonic(), 0.001),
                )
            except OSError as error:
                where = self._where(place)
                problem = f"Unable to get response from algorithm: {where}{error or type(error).__name__}"
                raise _NoResultError(problem) from error
            if new.status != HTTPStatus.OK:
                self._fail(place, new, reply)
            reply = new
        assert reply
        return reply.body

    def _where(self, place: int) -> str:
        container = self.container(place)
        return f"{container}: " if container else ""

    def _fail(self, place: int, reply: Reply, before: Reply | None) -> None:
        """Raise what the status of an answer means."""
        text = reply.body[:_SHOWN].decode(errors="replace").strip()
        problem = f"{self._where(place)}{reply.status}: {text}"
        if before:
            sent = f"{len(before.body)} bytes of {before.content_type or 'no media type'}"
            problem += f" (it was sent {sent} by {self.container(place - 1)})"
        if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise TransformError(f"ClientError: {problem}")
        raise _NoResultError(f"Bad HTTP status received from algorithm: {problem}")

    def close(self) -> None:
        """Close the kept connections; no request may be on its way."""
        for server in self._servers:
            server.close()


def _least(found: Sequence[dict[str, Any]], name: str, default: int) -> int:
    """Return the least of the numbers that servers give; 0 sets no limit."""
    values = [one.get(name) for one in found]
    whole = [
        value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0
    ]
    return min(filter(None, whole), default=0 if whole else default)
