"""The alarms of a platform: kept in the store, judged, and their actions taken once they are committed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mlberth_local.alarms import definition as definitions
from mlberth_local.alarms import evaluation, messages, times
from mlberth_local.alarms.definition import Definition
from mlberth_local.alarms.evaluation import INSUFFICIENT_DATA, Datapoint, Verdict
from mlberth_local.alarms.messages import Transition
from mlberth_local.alarms.observation import has_few_samples, observe
from mlberth_local.errors import ServiceError
from mlberth_local.store.events import Event, Events
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource, Resources

KIND = "alarm"
"""Of the rows in the store; their status is the alarm's state."""
Act = Callable[[str, Transition], None]
"""Carries out the action of an ARN. Raises `ServiceError`."""
_ACTIONS = {
    evaluation.OK: "OKActions",
    evaluation.ALARM: "AlarmActions",
    INSUFFICIENT_DATA: "InsufficientDataActions",
}
_LONGEST_SET_SECONDS = 60.0
"""How long a state that was set by hand stays, if the period is longer."""
log = logging.getLogger(__name__)


class Alarms:
    """All alarms of one home. Any thread may call it."""

    def __init__(
        self,
        resources: Resources,
        metrics: Metrics,
        events: Events,
        *,
        clock: Callable[[], float],
        arn: Callable[[str, str], str],
        act: Act,
    ) -> None:
        self.resources = resources
        self.events = events
        self._metrics = metrics
        self._clock = clock
        self._arn = arn
        self._act = act
        self._acting = threading.Lock()
        self.changed = threading.Event()
        """Set when an alarm was put: it need not wait to be judged."""

    def put(self, definition: Definition) -> str:
        """Make an alarm, or give one another definition; its state stays. Returns its ARN."""
        now, name = self._clock(), definition["AlarmName"]
        state: dict[str, Any] = {
            "definition": {**definition},
            "updated": now,
            "reason": "Unchecked: Initial alarm creation",
            "state_updated": now,
        }
        arn = self._arn("cloudwatch", f"alarm:{name}")
        try:
            self.resources.create(Resource(KIND, name, arn, now, now, INSUFFICIENT_DATA, {}, state))
            word = "created"
        except NameTakenError:
            with self.resources.changing(KIND, name) as alarm:
                alarm.state |= {"definition": {**definition}, "updated": now}
                alarm.modified = now
            word = "updated"
        self._note(name, now, "ConfigurationUpdate", f'Alarm "{name}" {word}', {**definition})
        self.changed.set()
        return arn

    def delete(self, name: str) -> None:
        """Remove an alarm; its history stays. Raises NoSuchResourceError."""
        self.resources.delete(KIND, name)
        self._note(name, self._clock(), "ConfigurationUpdate", f'Alarm "{name}" deleted', {"name": name})

    def enable_actions(self, name: str, *, enabled: bool) -> None:
        """Say whether an alarm's actions are taken. Raises NoSuchResourceError."""
        now = self._clock()
        with self.resources.changing(KIND, name) as alarm:
            alarm.state["definition"]["ActionsEnabled"] = enabled
            alarm.state["updated"] = now
        word = "enabled" if enabled else "disabled"
        self._note(name, now, "ConfigurationUpdate", f'Actions of alarm "{name}" {word}', {"name": name})

    def state_of(self, name: str) -> str:
        """Return `OK`, `ALARM` or `INSUFFICIENT_DATA`. Raises NoSuchResourceError."""
        return self.resources.get(KIND, name).status

    def is_firing(self, name: str) -> bool:
        """Return whether there is such an alarm, and its state is ALARM."""
        try:
            return self.state_of(name) == evaluation.ALARM
        except NoSuchResourceError:
            return False

    def set_state(self, name: str, state: str, reason: str, data: dict[str, Any] | None = None) -> None:
        """Bring an alarm to a state, until a period later its metric is looked at again.

        Raises NoSuchResourceError.
        """
        now = self._clock()
        with self.resources.changing(KIND, name) as alarm:
            length = definitions.period(alarm.state["definition"])
            alarm.state["set_until"] = now + min(length, _LONGEST_SET_SECONDS)
            _enter(alarm, state, reason, data, now)
        self.take_actions(name)

    def judge(self, name: str) -> None:
        """Look at an alarm's metric, and bring the alarm to the state that follows."""
        now = self._clock()
        try:
            seen = self.resources.get(KIND, name)
        except NoSuchResourceError:
            return
        if seen.state.get("due"):
            self.take_actions(name)
        if now < seen.state.get("set_until", 0.0):
            return
        verdict = self._verdict(seen, now)
        if verdict.state == seen.status:
            return
        try:
            with self.resources.changing(KIND, name) as alarm:
                if alarm.state["updated"] != seen.state["updated"] or alarm.status != seen.status:
                    return  # it was changed a moment ago
                data = {**verdict.data, "queryDate": times.in_data(now)}
                _enter(alarm, verdict.state, verdict.reason, data, now)
        except NoSuchResourceError:
            return
        self.take_actions(name)

    def observe(self, definition: Definition) -> list[Datapoint]:
        """Return the values that an alarm of a definition sees now, oldest first. Raises `ServiceError`."""
        return observe(self._metrics, definition, self._clock())

    def _verdict(self, alarm: Resource, now: float) -> Verdict:
        definition: Definition = alarm.state["definition"]
        try:
            if has_few_samples(self._metrics, definition, now):
                return Verdict(alarm.status, alarm.state["reason"], {})
            return evaluation.judge(definition, self.observe(definition), alarm.status)
        except ServiceError as error:
            return Verdict(INSUFFICIENT_DATA, f"Evaluation error: {error.message}", {})

    def take_actions(self, name: str) -> None:
        """Do what is due after transitions: note each in the history, and carry out its actions.

        Each is taken out of the record once it is done: a daemon that is killed does the rest at its next
        start, the last one twice at worst.
        """
        with self._acting:
            while step := self._next_step(name):
                if "event" in step:
                    self.events.add(Event(KIND, name, **step["event"]))
                else:
                    self._carry_out(name, step)
                try:
                    with self.resources.changing(KIND, name) as alarm:
                        alarm.state["due"] = alarm.state["due"][1:]
                except NoSuchResourceError:
                    return

    def _next_step(self, name: str) -> dict[str, Any] | None:
        try:
            due = self.resources.get(KIND, name).state.get("due")
        except NoSuchResourceError:
            return None
        return due[0] if due else None

    def _carry_out(self, name: str, step: Mapping[str, Any]) -> None:
        arn, transition = step["action"], Transition(**step["transition"])
        data = {
            "actionState": "Succeeded",
            "stateUpdateTimestamp": transition.time,
            "notificationResource": arn,
        }
        summary = f"Successfully executed action {arn}"
        try:
            self._act(arn, transition)
        except ServiceError as error:
            log.warning("alarm %s: the action %s failed: %s", name, arn, error.message)
            data |= {"actionState": "Failed", "error": error.message}
            summary = f"Failed to execute action {arn}"
        self._note(name, transition.time, "Action", summary, data)

    def _note(self, name: str, time: float, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        self.events.add(Event(KIND, name, time, kind, summary[:255], data))


def _enter(alarm: Resource, state: str, reason: str, data: Mapping[str, Any] | None, now: float) -> None:
    """Change an alarm's state in its record, with the steps that follow from it."""
    old, definition = alarm.status, alarm.state["definition"]
    past = messages.history(old, alarm.state["reason"], state, reason, data)
    alarm.state |= {"reason": reason, "reason_data": data, "state_updated": now}
    if old == state:
        return
    alarm.status = state
    alarm.state["transitioned"] = now
    alarm.modified = now
    summary = f"Alarm updated from {old} to {state}"
    steps: list[Any] = [{"event": {"time": now, "type": "StateUpdate", "summary": summary, "data": past}}]
    if definition.get("ActionsEnabled") is not False:
        transition = vars(
            Transition(alarm.name, alarm.arn, definition, alarm.state["updated"], old, state, reason, now)
        )
        actions = definition.get(_ACTIONS[state]) or []
        steps += [{"action": arn, "transition": transition} for arn in actions]
    alarm.state["due"] = [*alarm.state.get("due", []), *steps]
