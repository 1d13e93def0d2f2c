"""Metrics of what instances use, with our own model server as plain processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.local.endpoints.endpoint_platform import HANDLER as ECHO
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke
from tests.support import wait_until

from mlberth_local.endpoints.utilization import NAMESPACE, Utilization
from mlberth_local.sagemaker import models
from mlberth_local.store.metrics import Series

HANDLER = """
import time

def model_fn(model_dir):
    return bytes(range(256)) * (200 * 4096)

def predict_fn(data, model):
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    return [1]
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[EndpointPlatform]:
    """Return a platform with a pipeline of two containers."""
    with closing(EndpointPlatform(tmp_path / "home")) as found:
        containers = [
            {**found.container(name, handler), "ContainerHostname": name}
            for name, handler in (("idle", ECHO), ("busy", HANDLER))
        ]
        models.create_model(found.platform, {"ModelName": "p", "Containers": containers})
        found.config("c", "p")
        yield found


def test_instances_are_measured(platform: EndpointPlatform) -> None:
    """CPU and memory of each container and of the instance, and the disk; nothing without instances."""
    measured = Utilization(platform.endpoints.context, platform.metrics)
    measured.measure()
    assert platform.metrics.series(NAMESPACE) == []
    assert platform.create("e", "c")["EndpointStatus"] == "InService"
    _, busy = platform.ports("e")

    def value(name: str, **dimensions: str) -> float:
        series = Series(NAMESPACE, name, {"EndpointName": "e", "VariantName": "v-p", **dimensions})
        periods = platform.metrics.periods(series, 0, 1e12, 1e12)
        return max((period.statistic("Maximum") for period in periods), default=0.0)

    def burn() -> bool:
        measured.measure()
        invoke(busy, "1")
        measured.measure()
        return value("CPUUtilization", ContainerName="busy") > 0

    wait_until(burn, timeout=60)
    assert value("CPUUtilization") >= value("CPUUtilization", ContainerName="busy")
    total = platform.endpoints.context.parts.capacity.memory
    assert value("MemoryUtilization", ContainerName="busy") > 100 * (200 << 20) / total
    assert value("MemoryUtilization") > value("MemoryUtilization", ContainerName="busy")
    assert 0 < value("DiskUtilization") <= 100
