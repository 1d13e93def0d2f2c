"""The records of scaling in the store: targets, policies and scheduled actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlberth_local.store.resources import Query, Resource, Resources

TARGET, POLICY, SCHEDULED = "scalable-target", "scaling-policy", "scheduled-action"
"""The kinds of the rows; the name is the resource's id, for the last two with the own name after `|`."""
ACTIVITY = "scaling-activity"
"""The kind of the events."""
_EVERY = 1_000_000


@dataclass
class Target:
    """What is kept of a scalable target. Times are seconds since the epoch."""

    least: int
    most: int
    role: str = ""
    suspended: dict[str, bool] = field(default_factory=dict)
    """By the names of `SuspendedState`."""
    activity: dict[str, Any] | None = None
    """The one that is on its way."""
    changed: float = 0.0
    """When the last one ended: older values of metrics are about another number of instances."""
    last_out: float = 0.0
    last_in: float = 0.0
    retry: float = 0.0
    """When something is tried again after a change that failed."""
    base: int = 0
    """The number of instances before the last scale-out."""


def target_of(row: Resource) -> Target:
    """Return what is kept of a target."""
    return Target(**row.state)


def keep(row: Resource, target: Target) -> None:
    """Put a target into its record."""
    row.state = {**vars(target)}


def key(resource_id: str, name: str) -> str:
    """Return the name of the row of a policy or a scheduled action."""
    return f"{resource_id}|{name}"


def rows(resources: Resources, kind: str, resource_id: str = "") -> list[Resource]:
    """Return the rows of a kind by name; those of one target if its id is given."""
    found = resources.list(Query(kind, sort_by="name", descending=False, limit=_EVERY))[0]
    return [row for row in found if resource_id in {"", row.name.partition("|")[0]}]
