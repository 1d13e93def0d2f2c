"""The table of Application Auto Scaling's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.services.application_autoscaling import activities, policies, scheduled_actions, targets

OPERATIONS: dict[str, Operation] = {
    **activities.OPERATIONS,
    **policies.OPERATIONS,
    **scheduled_actions.OPERATIONS,
    **targets.OPERATIONS,
}
EXCEPTIONS: dict[str, Exceptions] = {
    **activities.EXCEPTIONS,
    **policies.EXCEPTIONS,
    **scheduled_actions.EXCEPTIONS,
    **targets.EXCEPTIONS,
}
