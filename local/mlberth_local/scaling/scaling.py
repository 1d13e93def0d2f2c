"""The scaling of a home: targets, policies and scheduled actions, and what is done about each target."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from mlberth_local.alarms.alarms import Alarms
from mlberth_local.errors import ServiceError
from mlberth_local.scaling import decisions, schedules, tracking
from mlberth_local.scaling.decisions import Decision, Situation
from mlberth_local.scaling.records import (
    ACTIVITY,
    POLICY,
    SCHEDULED,
    TARGET,
    Target,
    keep,
    key,
    rows,
    target_of,
)
from mlberth_local.scaling.variants import Variant, Variants, names_of
from mlberth_local.store.events import Event, Events
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource, Resources

log = logging.getLogger(__name__)


class Scaling:
    """All targets of one home. Any thread may call it; one thread looks after them."""

    def __init__(
        self,
        resources: Resources,
        alarms: Alarms,
        events: Events,
        variants: Variants,
        *,
        clock: Callable[[], float],
        arn: Callable[[str, str], str],
        minute: float,
    ) -> None:
        self.resources = resources
        self.events = events
        self.variants = variants
        self.minute = minute
        """How long a minute of scaling is, in seconds."""
        self._alarms = alarms
        self._clock = clock
        self._arn = arn
        self.changed = threading.Event()
        """Set when something has to be looked at now."""

    def register(self, resource_id: str, apply: Callable[[Target], None]) -> Resource:
        """Make a target, or change one; `apply` sets its limits. Nothing happens if it raises."""
        now = self._clock()
        try:
            with self.resources.changing(TARGET, resource_id) as row:
                target = target_of(row)
                apply(target)
                keep(row, target)
                row.modified = now
        except NoSuchResourceError:
            target = Target(-1, -1)
            apply(target)
            arn = self._arn("application-autoscaling", f"scalable-target/{uuid4().hex}")
            row = Resource(TARGET, resource_id, arn, now, now, "", {}, vars(target))
            try:
                self.resources.create(row)
            except NameTakenError:  # by a request at the same time
                return self.register(resource_id, apply)
        self.changed.set()
        return row

    def deregister(self, resource_id: str) -> None:
        """Remove a target with its policies and scheduled actions. Raises NoSuchResourceError."""
        self.resources.delete(TARGET, resource_id)
        for policy in rows(self.resources, POLICY, resource_id):
            self.delete_policy(resource_id, policy.name.partition("|")[2])
        for action in rows(self.resources, SCHEDULED, resource_id):
            self.resources.delete(SCHEDULED, action.name)

    def put_policy(self, resource_id: str, name: str, definition: Mapping[str, Any]) -> Resource:
        """Make a policy, or give one another definition, with its alarms. The target is there."""
        now, unique = self._clock(), str(uuid4())
        place = f"resource/sagemaker/{resource_id}:policyName/{name}"
        state = {"definition": {**definition}, "alarms": {}, "updated": now}
        row = Resource(
            POLICY,
            key(resource_id, name),
            self._arn("autoscaling", f"scalingPolicy:{unique}:{place}"),
            *(now, now, "", {}, state),
        )
        try:
            self.resources.create(row)
        except NameTakenError:
            with self.resources.changing(POLICY, row.name) as row:
                # Alarms of the old definition go once those of the new one are there.
                old = list(row.state["alarms"].values())
                row.state = {**state, "old": [*row.state.get("old", []), *old]}
        row = self._put_alarms(row, resource_id, unique)
        self.changed.set()
        return row

    def _put_alarms(self, row: Resource, resource_id: str, unique: str) -> Resource:
        config = row.state["definition"].get("TargetTrackingScalingPolicyConfiguration")
        made = {}
        if config is not None:
            found = tracking.alarms_of(row.arn, resource_id, config, unique=unique, minute=self.minute)
            made = {kind: definition["AlarmName"] for kind, definition in found.items()}
            for definition in found.values():
                self._alarms.put(definition)
        with self.resources.changing(POLICY, row.name) as changed:
            gone = changed.state.pop("old", [])
            changed.state["alarms"] = made
        self._delete_alarms(gone)
        return changed

    def delete_policy(self, resource_id: str, name: str) -> None:
        """Remove a policy and its alarms. Raises NoSuchResourceError."""
        row = self.resources.get(POLICY, key(resource_id, name))
        self.resources.delete(POLICY, row.name)
        self._delete_alarms(row.state["alarms"].values())

    def _delete_alarms(self, names: Any) -> None:
        for name in names:
            try:
                self._alarms.delete(name)
            except NoSuchResourceError:
                continue

    def put_scheduled(self, resource_id: str, name: str, definition: Mapping[str, Any]) -> None:
        """Make a scheduled action, or change one. Raises `ScheduleError`."""
        now, place = self._clock(), f"resource/sagemaker/{resource_id}:scheduledActionName/{name}"
        try:
            with self.resources.changing(SCHEDULED, key(resource_id, name)) as row:
                merged = {**row.state["definition"], **definition}
                row.state = {"definition": merged, "next": _next(merged, now, row.created)}
        except NoSuchResourceError:
            arn = self._arn("autoscaling", f"scheduledAction:{uuid4()}:{place}")
            state = {"definition": {**definition}, "next": _next(definition, now, now)}
            new = Resource(SCHEDULED, key(resource_id, name), arn, now, now, "", {}, state)
            self.resources.create(new)
        self.changed.set()

    def look_after(self, resource_id: str) -> None:
        """Do what a target needs now: end an activity, keep to the limits, follow the policies."""
        names = names_of(resource_id)
        self._run_scheduled(resource_id)
        try:
            row = self.resources.get(TARGET, resource_id)
        except NoSuchResourceError:
            return
        found = self.variants.find(*names) if names else None
        if names is None or found is None or not found.is_ready:
            return
        target = target_of(row)
        if target.activity is not None:
            self._finish(resource_id, target.activity, found)
            return
        situation = Situation(target, found.desired, self._clock(), self.minute)
        if situation.now < target.retry:
            return
        decision = decisions.by_bounds(situation)
        if decision is None:
            policies = rows(self.resources, POLICY, resource_id)
            decision = decisions.by_policies(situation, policies, self._alarms)
        if decision is not None and decision.count != found.desired:
            self._act(resource_id, names, found.desired, decision)

    def _run_scheduled(self, resource_id: str) -> None:
        now = self._clock()
        for action in rows(self.resources, SCHEDULED, resource_id):
            due = action.state["next"]
            if due is None or due > now:
                continue
            definition = action.state["definition"]
            try:
                with self.resources.changing(TARGET, resource_id) as row:
                    target = target_of(row)
                    if not target.suspended.get("ScheduledScalingSuspended"):
                        _set_limits(target, definition.get("ScalableTargetAction") or {})
                    keep(row, target)
                with self.resources.changing(SCHEDULED, action.name) as changed:
                    changed.state["next"] = _next(definition, now, action.created)
            except NoSuchResourceError:  # it was removed a moment ago
                continue

    def _act(self, resource_id: str, names: tuple[str, str], current: int, decision: Decision) -> None:
        now = self._clock()
        activity = {
            "ActivityId": str(uuid4()),
            "Description": f"Setting desired instance count to {decision.count}.",
            "Cause": decision.cause,
            "StartTime": now,
            "StatusCode": "InProgress",
            "StatusMessage": f"Successfully set desired instance count to {decision.count}. "
            "Waiting for change to be fulfilled by sagemaker.",
            "count": decision.count,
            "before": current,
        }
        with self.resources.changing(TARGET, resource_id) as row:
            row.state["activity"] = activity
        log.info("%s: %d instances in place of %d: %s", resource_id, decision.count, current, decision.cause)
        try:
            self.variants.set_desired_count(*names, decision.count)
        except ServiceError as error:
            # Another change of the endpoint was faster: it is decided anew after that one.
            log.info("%s: not now: %s", resource_id, error.message)
            with self.resources.changing(TARGET, resource_id) as row:
                row.state["activity"] = None

    def _finish(self, resource_id: str, activity: dict[str, Any], found: Variant) -> None:
        """Note the end of an activity: the endpoint is in service, with the new number or the old one."""
        now, count = self._clock(), activity["count"]
        done = found.desired == count
        ended = {name: value for name, value in activity.items() if name not in {"count", "before"}}
        ended |= {
            "EndTime": now,
            "StatusCode": "Successful" if done else "Failed",
            "StatusMessage": f"Successfully set desired instance count to {count}. Change successfully "
            "fulfilled by sagemaker."
            if done
            else f"Failed to set desired instance count to {count}: the endpoint has {found.desired}.",
        }
        self.events.add(
            Event(ACTIVITY, resource_id, activity["StartTime"], "Activity", activity["ActivityId"], ended)
        )
        with self.resources.changing(TARGET, resource_id) as row:
            target = target_of(row)
            target.activity, target.changed = None, now
            target.retry = 0.0 if done else now + self.minute
            if count > activity["before"]:
                target.last_out, target.base = now, activity["before"]
            else:
                target.last_in = now
            keep(row, target)


def _set_limits(target: Target, action: Mapping[str, Any]) -> None:
    least, most = action.get("MinCapacity"), action.get("MaxCapacity")
    target.least = target.least if least is None else least
    target.most = target.most if most is None else most
    # One that was given alone moves the other, if they would cross.
    if least is None:
        target.least = min(target.least, target.most)
    else:
        target.most = max(target.least, target.most)


def _next(definition: Mapping[str, Any], now: float, created: float) -> float | None:
    """Return when a scheduled action is due after `now`; None if it never is again."""
    schedule = schedules.parse(definition["Schedule"], definition.get("Timezone") or "UTC")
    start, end = definition.get("StartTime"), definition.get("EndTime")
    moment = now if start is None else max(now, start - 1e-3)
    due = schedule.after(moment, created if start is None else start)
    return None if due is None or (end is not None and due > end) else due
