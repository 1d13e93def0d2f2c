"""The actions of alarms, by their ARNs."""

from __future__ import annotations

from mlberth_local.alarms import messages
from mlberth_local.alarms.messages import Transition
from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.topics.topics import publish


def act(platform: Platform, arn: str, transition: Transition) -> None:
    """Carry out one action of an alarm that has come to a state. Raises `ServiceError`."""
    if arn.split(":")[2] != "sns":
        raise ServiceError("ObjectNotFoundException", f"There is no scaling policy {arn}.")
    text = messages.body(transition, account=platform.account, region=platform.region)
    publish(platform, arn, messages.subject(transition, platform.region), text)
