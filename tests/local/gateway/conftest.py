"""A platform with a gateway for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.gateway.platform import GatewayPlatform, gateway_platform

from mlberth_local.gateway.limits import Limits


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayPlatform]:
    """Answer for the tests of a file."""
    with gateway_platform(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[GatewayPlatform]:
    """Answer for one test; containers have a second."""
    with gateway_platform(tmp_path, Limits(model_seconds=1)) as found:
        yield found
