"""The actions of alarms, by their ARNs."""

from __future__ import annotations

from mlberth_local.alarms import messages
from mlberth_local.alarms.messages import Transition
from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.scaling.records import POLICY, rows
from mlberth_local.store.resources import Resources
from mlberth_local.topics.topics import publish


def act(platform: Platform, resources: Resources, arn: str, transition: Transition) -> None:
    """Carry out one action of an alarm that has come to a state. Raises `ServiceError`."""
    if arn.split(":")[2] == "autoscaling":
        # The policy sees by itself that an alarm of its own is in ALARM, for as long as it is.
        if not any(policy.arn == arn for policy in rows(resources, POLICY)):
            raise ServiceError("ObjectNotFoundException", f"There is no scaling policy {arn}.")
        return
    text = messages.body(transition, account=platform.account, region=platform.region)
    publish(platform, arn, messages.subject(transition, platform.region), text)
