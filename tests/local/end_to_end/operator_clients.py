"""A daemon, and the clients of those who drive it from a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.local.end_to_end.daemon import Daemon

Client = Callable[[str], Any]
"""Returns a client of a service."""


@contextmanager
def operated(folder: Path) -> Iterator[Client]:
    """Run a daemon, and yield what makes its clients: with an address and any keys, and nothing else."""
    pytest.importorskip("xgboost")
    daemon = Daemon(folder)
    assert daemon.up().returncode == 0
    with ExitStack() as opened:
        opened.callback(daemon.run, "down")

        @cache
        def client(service: str) -> Any:
            made = boto3.client(
                service,
                endpoint_url=f"http://127.0.0.1:{daemon.port}",
                region_name="us-west-2",
                aws_access_key_id="any",
                aws_secret_access_key="any",
            )
            opened.callback(made.close)
            return made

        yield client


def rows(count: int, seed: int) -> bytes:
    """Return rows in libsvm's format, whose label is the place of the greatest of three numbers."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        numbers = [round(chance.random(), 3) for _ in range(3)]
        label = numbers.index(max(numbers))
        lines.append(" ".join([str(label), *(f"{place}:{value}" for place, value in enumerate(numbers))]))
    return "\n".join(lines).encode() + b"\n"
