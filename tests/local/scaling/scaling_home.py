"""Scaling of a home in a folder, over variants in memory, with a clock that a test moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlberth_local.alarms.alarms import KIND, Alarms
from mlberth_local.errors import ValidationError
from mlberth_local.scaling.records import ACTIVITY, Target
from mlberth_local.scaling.scaling import Scaling
from mlberth_local.scaling.variants import Variant
from mlberth_local.store.database import Database
from mlberth_local.store.events import EventQuery, Events
from mlberth_local.store.metrics import Metrics, Point, Series
from mlberth_local.store.resources import Resources

RESOURCE = "endpoint/e/variant/v"
DIMENSIONS = {"EndpointName": "e", "VariantName": "v"}
MINUTE = 60.0


class VariantsInMemory:
    """Variants that have what they are told to have once a test says so."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.wanted = count
        self.status = "InService"
        self.least = 1

    def find(self, endpoint: str, variant: str) -> Variant | None:
        """Return the one variant."""
        if (endpoint, variant) != ("e", "v"):
            return None
        return Variant(self.wanted, self.status == "InService", self.least)

    def set_desired_count(self, endpoint: str, variant: str, count: int) -> None:
        """Begin to change the number."""
        if self.status != "InService":
            raise ValidationError("Cannot update in-progress endpoint")
        assert (endpoint, variant) == ("e", "v")
        self.wanted, self.status = count, "Updating"

    def settle(self, *, fails: bool = False) -> None:
        """End the change."""
        if fails:
            self.wanted = self.count
        self.count, self.status = self.wanted, "InService"


class ScalingHome:
    """One daemon's scaling; another one of the same folder is the next daemon's."""

    def __init__(self, folder: Path, count: int = 1, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.database = Database(folder / "db")
        self.resources = Resources(self.database)
        self.metrics = Metrics(self.database)
        self.events = Events(self.database)
        self.variants = VariantsInMemory(count)

        def arn(service: str, resource: str) -> str:
            return f"arn:aws:{service}:us-east-1:000000000000:{resource}"

        self.alarms = Alarms(
            self.resources,
            self.metrics,
            self.events,
            clock=lambda: self.now,
            arn=arn,
            act=lambda *_: None,
        )
        self.scaling = Scaling(
            self.resources,
            self.alarms,
            self.events,
            self.variants,
            clock=lambda: self.now,
            arn=arn,
            minute=MINUTE,
        )

    def register(self, least: int, most: int, **suspended: bool) -> None:
        """Register the variant with limits."""

        def apply(target: Target) -> None:
            target.least, target.most = least, most
            target.suspended |= suspended

        self.scaling.register(RESOURCE, apply)

    def track(self, target: float, name: str = "p", **config: Any) -> None:
        """Put a policy that tracks the invocations of each instance, or another metric."""
        if "CustomizedMetricSpecification" not in config:
            config["PredefinedMetricSpecification"] = {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            }
        whole = {"TargetValue": target, **config}
        self.scaling.put_policy(
            RESOURCE,
            name,
            {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": whole},
        )

    def step(self, adjustment: str, steps: list[dict[str, Any]], **config: Any) -> str:
        """Put a step policy; returns its ARN."""
        whole = {"AdjustmentType": adjustment, "StepAdjustments": steps, **config}
        definition = {"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": whole}
        return self.scaling.put_policy(RESOURCE, "steps", definition).arn

    def minutes(self, count: int, requests: float | None, *, until_changed: bool = False) -> int:
        """Let minutes pass with so many requests to the variant in each; returns how many have passed.

        With `until_changed` no more pass once the number of instances is being changed.
        """
        for passed in range(1, count + 1):
            if requests is not None:
                point = Point(self.now + 1, requests / self.variants.count)
                series = Series("AWS/SageMaker", "InvocationsPerInstance", DIMENSIONS)
                self.metrics.put([(series, point)])
            self.now += MINUTE
            self.now += 3  # values may come a moment after the end of their minute
            self.look()
            self.now -= 3
            if until_changed and self.variants.status == "Updating":
                return passed
        return count

    def look(self) -> None:
        """Judge all alarms, and look after the target."""
        for alarm in self.resources.unfinished(KIND):
            self.alarms.judge(alarm.name)
        self.scaling.look_after(RESOURCE)

    def settle(self, *, fails: bool = False) -> None:
        """Let the change end, and be noted."""
        self.variants.settle(fails=fails)
        self.scaling.look_after(RESOURCE)

    def activities(self) -> list[tuple[str, str]]:
        """Return status and description of what has ended, oldest first."""
        found = self.events.list(EventQuery(ACTIVITY, descending=False))[0]
        return [(event.data["StatusCode"], event.data["Description"]) for event in found]
