"""Utilization of CPU, memory and disk by the instances of endpoints, as metrics.

Source: the namespace /aws/sagemaker/Endpoints. All are percentages; that of CPU is the sum over the cores.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.instances import Instances, host_names
from mlberth_local.endpoints.record import KIND, READY, Fleet, Instance, state_of
from mlberth_local.engines.base import EngineError
from mlberth_local.engines.usage import parts
from mlberth_local.store.metrics import Metrics, Point, Series

NAMESPACE = "/aws/sagemaker/Endpoints"
log = logging.getLogger(__name__)


class Utilization:
    """Measures the instances that serve, each time that it is called."""

    def __init__(self, context: EndpointContext, metrics: Metrics) -> None:
        self._context = context
        self._parts = context.parts
        self._metrics = metrics
        self._before: dict[str, tuple[float, float]] = {}
        """When a run was measured last, and how much CPU time it had used by then."""

    def measure(self) -> None:
        """Put the metrics of all instances; CPU time counts since the last call."""
        now = self._parts.clock()
        disk = shutil.disk_usage(self._parts.runs.parent)
        points: list[tuple[Series, Point]] = []
        seen: dict[str, tuple[float, float]] = {}
        for endpoint in self._parts.resources.unfinished(KIND):
            instances = Instances(self._context, endpoint.name)
            for fleet, instance in state_of(endpoint).instances():
                if instance.phase == READY:
                    dimensions = {"EndpointName": endpoint.name, "VariantName": fleet.variant}
                    points += self._of_instance(instances, fleet, instance, dimensions, seen)
                    points.append(_percent("DiskUtilization", dimensions, disk.used / disk.total, now))
        self._before = seen
        if points:
            self._metrics.put(points)

    def _of_instance(
        self,
        instances: Instances,
        fleet: Fleet,
        instance: Instance,
        dimensions: Mapping[str, str],
        seen: dict[str, tuple[float, float]],
    ) -> Iterator[tuple[Series, Point]]:
        """Yield the points of an instance, and of its containers if there are several."""
        total: dict[str, float] = {}
        now = self._parts.clock()
        for run, container in zip(instances.runs(fleet, instance), host_names(fleet), strict=True):
            try:
                usage = self._parts.engine.usage(run.name).get(container)
            except EngineError as error:
                log.warning("%s cannot be measured: %s", run.name, error)
                continue
            if usage is None:
                continue
            [host] = run.hosts
            memory = host.limits.memory if host.limits else self._parts.capacity.memory
            used = parts(usage, self._before.get(run.name), now, memory)
            seen[run.name] = (now, usage.cpu_seconds)
            for name, part in used.items():
                total[name] = total.get(name, 0.0) + part
                if len(fleet.containers) > 1:
                    yield _percent(name, {**dimensions, "ContainerName": container}, part, now)
        for name, part in total.items():
            yield _percent(name, dimensions, part, now)


def _percent(name: str, dimensions: Mapping[str, Any], part: float, now: float) -> tuple[Series, Point]:
    return Series(NAMESPACE, name, dict(dimensions)), Point(now, 100 * part, unit="Percent")
