"""Model servers for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.local.transform.model_servers import Answer, Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Return what starts servers."""
    servers: list[Server] = []

    def start(answer: Answer = lambda body: (200, body.upper()), **members: Any) -> Server:
        servers.append(Server(answer, **members))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
