"""Utilization of CPU, memory and disk by the instances of a job, as metrics.

All are percentages; that of CPU is the sum over the cores.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from mlberth_local.engines.base import Engine, Run
from mlberth_local.engines.usage import parts
from mlberth_local.store.metrics import Point, Series


class Utilization:
    """Measures the instances of a job that runs, each time that it is called."""

    def __init__(
        self,
        run: Run,
        engine: Engine,
        *,
        namespace: str,
        job: str,
        instance_of: Callable[[str], str],
        memory: int,
        folder: Path,
    ) -> None:
        """Take what tells the instance of a host, this machine's memory, and a folder on the disk in use."""
        self._run = run
        self._engine = engine
        self._namespace = namespace
        self._job = job
        self._instance_of = instance_of
        self._memory = memory
        self._folder = folder
        self._before: dict[str, tuple[float, float]] = {}
        """When a host was measured last, and how much CPU time it had used by then."""

    def points(self, now: float) -> list[tuple[Series, Point]]:
        """Return the metrics of the instances; CPU time counts since the last call, or the start.

        Raises EngineError.
        """
        usage = self._engine.usage(self._run.name)
        for name, state in self._engine.states(self._run.name, tuple(set(usage) - set(self._before))).items():
            self._before[name] = state.started or now, 0.0
        instances: dict[str, dict[str, float]] = {}
        for host in self._run.hosts:
            if used := usage.get(host.name):
                instance = instances.setdefault(self._instance_of(host.name), {})
                memory = host.limits.memory if host.limits else self._memory
                for name, part in parts(used, self._before[host.name], now, memory).items():
                    instance[name] = instance.get(name, 0.0) + part
                self._before[host.name] = now, used.cpu_seconds
        disk = shutil.disk_usage(self._folder)
        for instance in instances.values():
            instance["DiskUtilization"] = disk.used / disk.total
        return [
            (Series(self._namespace, name, {"Host": f"{self._job}/{instance}"}), _percent(part, now))
            for instance, found in instances.items()
            for name, part in found.items()
        ]


def _percent(part: float, now: float) -> Point:
    return Point(now, 100 * part, unit="Percent")
