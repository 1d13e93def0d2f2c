"""Alarms of a home in a folder, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlberth_local.alarms.alarms import Alarms
from mlberth_local.alarms.messages import Transition
from mlberth_local.errors import ServiceError
from mlberth_local.store.database import Database
from mlberth_local.store.events import Event, EventQuery, Events
from mlberth_local.store.metrics import Metrics, Point, Series
from mlberth_local.store.resources import Resources

TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
NOWHERE = "arn:aws:sns:us-east-1:000000000000:nowhere"


class AlarmHome:
    """One daemon's alarms; another one of the same folder is the next daemon's."""

    def __init__(
        self, folder: Path, now: float, act: Callable[[str, Transition], None] | None = None
    ) -> None:
        self.now = now
        self.database = Database(folder / "db")
        self.metrics = Metrics(self.database)
        self.events = Events(self.database)
        self.actions: list[tuple[str, str]] = []
        self.alarms = Alarms(
            Resources(self.database),
            self.metrics,
            self.events,
            clock=lambda: self.now,
            arn=lambda service, resource: f"arn:aws:{service}:us-east-1:000000000000:{resource}",
            act=act or self._act,
        )

    def _act(self, arn: str, transition: Transition) -> None:
        if arn == NOWHERE:
            raise ServiceError("NotFound", "Topic does not exist")
        self.actions.append((arn, transition.new))

    def put(self, **changes: Any) -> None:
        """Put an alarm on the sum of a metric, with some changes."""
        definition = {
            "AlarmName": "a",
            "Namespace": "N",
            "MetricName": "errors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 2.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": [TOPIC],
            **changes,
        }
        self.alarms.put({name: value for name, value in definition.items() if value is not None})

    def add(self, *values: float, name: str = "errors", before: float = 0.0) -> None:
        """Add values of a metric, some seconds before now."""
        series = Series("N", name)
        self.metrics.put((series, Point(self.now - before, value)) for value in values)

    def judge(self, after: float = 0.0) -> str:
        """Judge the alarm some seconds later; returns its state."""
        self.now += after
        self.alarms.judge("a")
        return self.alarms.state_of("a")

    def history(self, kind: str = "") -> list[Event]:
        """Return the events of the alarm, oldest first."""
        return self.events.list(EventQuery("alarm", type=kind, descending=False))[0]
