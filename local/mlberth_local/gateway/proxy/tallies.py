"""Counts and latencies of requests, gathered for some seconds each, and in all.

Source of the names: the metrics of the namespace AWS/SageMaker.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlberth_local.gateway.proxy.answer import ModelError
from mlberth_local.gateway.proxy.invocation import Invocation, Step

_STEPS = 24
"""Latencies in a tenfold range are told apart in so many steps of 10 %."""
_WINDOWS = 60
"""How many windows wait for the daemon one by one; older ones are gathered by the minute."""
_MINUTES = 24 * 60
Key = tuple[str, str, str]
"""Endpoint, variant, and the endpoint configuration while there are two."""


class Latencies:
    """Latencies in microseconds, by steps; each step has its count, sum, least and greatest."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: dict[int, list[float]] = {}

    def add(self, microseconds: float) -> None:
        """Take one."""
        # `le` of a step is 10 ** (step / _STEPS): what is equal to it belongs to it.
        step = math.ceil(math.log10(microseconds) * _STEPS) if microseconds > 1 else 0
        found = self.steps.get(step)
        if found is None:
            self.steps[step] = [1, microseconds, microseconds, microseconds]
            return
        found[0] += 1
        found[1] += microseconds
        if microseconds < found[2]:
            found[2] = microseconds
        elif microseconds > found[3]:
            found[3] = microseconds

    def merge(self, other: Latencies) -> None:
        """Take those of another."""
        for step, (count, total, low, high) in other.steps.items():
            found = self.steps.setdefault(step, [0, 0.0, math.inf, -math.inf])
            found[0] += count
            found[1] += total
            found[2] = min(found[2], low)
            found[3] = max(found[3], high)


@dataclass(slots=True)
class ContainerTally:
    """What one of several containers has made of its requests."""

    requests: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    latency: Latencies = field(default_factory=Latencies)

    def add(self, step: Step) -> None:
        """Take one request."""
        self.requests += 1
        self.errors_4xx += 400 <= step.status < 500
        self.errors_5xx += step.status >= 500
        self.latency.add(step.seconds * 1e6)

    def merge(self, other: ContainerTally) -> None:
        """Take what another has."""
        self.requests += other.requests
        self.errors_4xx += other.errors_4xx
        self.errors_5xx += other.errors_5xx
        self.latency.merge(other.latency)

    def as_json(self) -> dict[str, Any]:
        """Return it as the daemon reads it."""
        return {
            "Invocations": self.requests,
            "Invocation4XXErrors": self.errors_4xx,
            "Invocation5XXErrors": self.errors_5xx,
            "ContainerLatency": list(self.latency.steps.values()),
        }


@dataclass(slots=True)
class Tally:
    """What has come of the requests of one key."""

    requests: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    per_instance: float = 0.0
    model: Latencies = field(default_factory=Latencies)
    overhead: Latencies = field(default_factory=Latencies)
    setup: Latencies = field(default_factory=Latencies)
    containers: dict[str, ContainerTally] = field(default_factory=dict)
    """By name, if the variant has several."""
    of_models: dict[str, Latencies] = field(default_factory=dict)
    """The metrics that only multi-model endpoints have, by name; counts are no latencies, but kept alike."""

    def note(self, name: str, value: float) -> None:
        """Take a value of a metric of multi-model endpoints."""
        self.of_models.setdefault(name, Latencies()).add(value)

    def merge(self, other: Tally) -> None:
        """Take what another has."""
        self.requests += other.requests
        self.errors_4xx += other.errors_4xx
        self.errors_5xx += other.errors_5xx
        self.model_errors += other.model_errors
        self.per_instance += other.per_instance
        self.model.merge(other.model)
        self.overhead.merge(other.overhead)
        self.setup.merge(other.setup)
        for name, one in other.containers.items():
            self.containers.setdefault(name, ContainerTally()).merge(one)
        for name, values in other.of_models.items():
            self.of_models.setdefault(name, Latencies()).merge(values)

    def as_json(self) -> dict[str, Any]:
        """Return it as the daemon reads it."""
        return {
            "Invocations": self.requests,
            "Invocation4XXErrors": self.errors_4xx,
            "Invocation5XXErrors": self.errors_5xx,
            "InvocationModelErrors": self.model_errors,
            "InvocationsPerInstance": self.per_instance,
            "ModelLatency": list(self.model.steps.values()),
            "OverheadLatency": list(self.overhead.steps.values()),
            "ModelSetupTime": list(self.setup.steps.values()),
            "Containers": {name: one.as_json() for name, one in self.containers.items()},
            "Models": {name: list(values.steps.values()) for name, values in self.of_models.items()},
        }


Window = dict[Key, Tally]


class Tallies:
    """The windows that the daemon has not got yet, and the totals since the process began."""

    def __init__(self, clock: Callable[[], float], *, window_seconds: float) -> None:
        self._clock = clock
        self._window_seconds = window_seconds
        self._current: Window = {}
        self._start = self._now()
        self._waiting: deque[tuple[float, Window]] = deque()
        self._totals: Window = {}

    def _now(self) -> float:
        return self._clock() // self._window_seconds * self._window_seconds

    def finished(self, invocation: Invocation) -> None:
        """Count a request that has its answer."""
        variant = invocation.variant
        if variant is None:  # no such endpoint or variant: a name of the client's own is no metric
            return
        tally = self._tally(variant.key if invocation.fleet is None else invocation.fleet.key)
        tally.requests += 1
        tally.per_instance += 1 / (variant.instances or 1)
        failure = invocation.failure
        if isinstance(failure, ModelError):
            status = failure.original_status
            tally.model_errors += 1
            tally.errors_4xx += 400 <= status < 500
            tally.errors_5xx += status >= 500
        if (use := invocation.use) is not None and invocation.fleet is not None:
            tally.note("ModelCacheHit", float(use.hit))
            if not use.hit:
                tally.note("ModelLoadingWaitTime", use.waited * 1e6)
        if invocation.model_seconds is not None and (use is None or use.sent):
            tally.model.add(invocation.model_seconds * 1e6)
            others = invocation.model_seconds + (invocation.setup_seconds or 0.0)
            tally.overhead.add((invocation.seconds - others) * 1e6)
        if invocation.setup_seconds is not None:
            tally.setup.add(invocation.setup_seconds * 1e6)
        for step in invocation.steps:
            tally.containers.setdefault(step.container, ContainerTally()).add(step)

    def note(self, key: Key, name: str, seconds: float) -> None:
        """Take how long something took that a multi-model endpoint has done."""
        self._tally(key).note(name, seconds * 1e6)

    def note_loaded(self, key: Key, models: int) -> None:
        """Take how many models an instance has loaded."""
        self._tally(key).note("LoadedModelCount", models)

    def _tally(self, key: Key) -> Tally:
        tally = self._current.get(key)
        if tally is None:
            tally = self._current[key] = Tally()
        return tally

    def close_window(self) -> None:
        """Begin a new window if the time of the current one is over."""
        if (now := self._now()) == self._start:
            return
        if self._current:
            _merge(self._totals, self._current)
            self._waiting.append((self._start, self._current))
            self._current = {}
            if len(self._waiting) > _WINDOWS:
                self._waiting = deque(_by_minute(self._waiting))
        self._start = now

    def waiting(self) -> list[tuple[float, Window]]:
        """Return the windows that are over, oldest first, with the second at which each began."""
        return list(self._waiting)

    def taken(self, windows: int) -> None:
        """Forget the oldest windows: the daemon has them."""
        for _ in range(min(windows, len(self._waiting))):
            self._waiting.popleft()

    def totals(self) -> Window:
        """Return what there was since the process began, the current window included."""
        found: Window = {}
        _merge(found, self._totals)
        _merge(found, self._current)
        return found


def _merge(into: Window, window: Window) -> None:
    for key, tally in window.items():
        into.setdefault(key, Tally()).merge(tally)


def _by_minute(windows: deque[tuple[float, Window]]) -> Iterator[tuple[float, Window]]:
    """Yield windows of a minute in place of shorter ones; the newest minutes of a day."""
    minutes: dict[float, Window] = {}
    for start, window in windows:
        _merge(minutes.setdefault(start // 60 * 60, {}), window)
    yield from list(minutes.items())[-_MINUTES:]


def upper_bound(step: int) -> float:
    """Return the greatest latency of a step, in seconds."""
    return float(10 ** (step / _STEPS) / 1e6)
