"""Health of instances, as the gateway finds it by its checks, in the records of endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from mlberth_local.endpoints.record import EndpointRecord, EndpointState, Instance
from mlberth_local.store.resources import NoSuchResourceError, Resources

Problem = tuple[int, str, float]
"""The number of the container, what is wrong with it, and since when (epoch seconds)."""
NO_PROBLEM: Problem = (1, "", 0.0)


class HealthNotes:
    """Writes down which instances fail their checks. `wake` lets an endpoint be looked after."""

    def __init__(
        self, resources: Resources, *, clock: Callable[[], float], wake: Callable[[str], None]
    ) -> None:
        self._resources = resources
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._latest = 0.0
        self._noted: dict[str, dict[str, Problem]] = {}
        """By endpoint and instance."""

    def remember(self, name: str, state: EndpointState) -> None:
        """Take up what an earlier daemon has written down of an endpoint."""
        found = {one.name: _problem(one) for _, one in state.instances() if one.problem}
        if found:
            self._noted[name] = found

    def note(self, sick: Iterable[list[Any]], time: float) -> None:
        """Take a report: all that are sick (`Health.as_json`), at a `time` by which reports are in order."""
        found: dict[str, dict[str, Problem]] = {}
        for endpoint, instance, *problem in sick:
            found.setdefault(endpoint, {})[instance] = (problem[0], problem[1], problem[2])
        with self._lock:
            if time <= self._latest:
                return
            self._latest = time
            for name in found.keys() | self._noted.keys():
                new = found.get(name, {})
                if new != self._noted.get(name, {}):
                    self._write(name, new)
                    self._noted[name] = new
                if new:
                    self._wake(name)  # one that stays sick is replaced sooner or later
                else:
                    self._noted.pop(name, None)

    def _write(self, name: str, problems: dict[str, Problem]) -> None:
        try:
            with EndpointRecord(self._resources, name).changing(self._clock()) as (_, state):
                for _, one in state.instances():
                    number, text, since = problems.get(one.name, NO_PROBLEM)
                    one.problem_container, one.problem, one.problem_since = number, text, since
        except NoSuchResourceError:
            return


def _problem(instance: Instance) -> Problem:
    return instance.problem_container, instance.problem, instance.problem_since
