"""The requests by which the platform loads and unloads a container's models.

Source: the platform's contract for multi-model containers.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

LOADED_ALREADY = HTTPStatus.CONFLICT
_LIST_SECONDS = 10.0
_MOST_PAGES = 1000


class Reply(Protocol):
    """A container's response."""

    @property
    def status(self) -> int:
        """Its status."""

    @property
    def body(self) -> bytes:
        """Its body."""


class Pool(Protocol):
    """The connections to a container. What an exchange raises is raised here as it is."""

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""

    async def exchange(self, head: bytes, body: bytes, seconds: float) -> Reply:
        """Send a request and return its response."""


class Container:
    """A container with many models; `folder` is where it has their folders."""

    def __init__(self, pool: Pool, folder: str) -> None:
        self._pool = pool
        self._folder = folder

    async def load(self, name: str, seconds: float) -> Reply:
        """Load a model from its folder; returns when it can be asked."""
        fields = {"model_name": name, "url": f"{self._folder}/{name}/model"}
        return await self._send("POST", "/models", json.dumps(fields).encode(), seconds)

    async def unload(self, name: str, seconds: float) -> Reply:
        """Unload a model; returns when its memory is free."""
        return await self._send("DELETE", f"/models/{name}", b"", seconds)

    async def has(self, name: str) -> bool:
        """Return whether a model is loaded."""
        reply = await self._send("GET", f"/models/{name}", b"", _LIST_SECONDS)
        return reply.status != HTTPStatus.NOT_FOUND

    async def names(self) -> list[str]:
        """Return all models that are loaded; none if the container cannot list them."""
        found: list[str] = []
        token = ""
        for _ in range(_MOST_PAGES):
            page = f"?next_page_token={quote(token)}" if token else ""
            reply = await self._send("GET", f"/models{page}", b"", _LIST_SECONDS)
            try:
                listed = json.loads(reply.body) if reply.status == HTTPStatus.OK else {}
                found += [one["modelName"] for one in listed.get("models", ())]
                token = str(listed.get("nextPageToken") or "")
            except (ValueError, TypeError, KeyError, AttributeError):
                break
            if not token:
                break
        return found

    async def _send(self, method: str, path: str, body: bytes, seconds: float) -> Reply:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._pool.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._pool.exchange(head.encode(), body, seconds)
