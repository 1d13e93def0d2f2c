"""The table of CloudWatch's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.services.cloudwatch import alarm_history, alarms, metrics

OPERATIONS: dict[str, Operation] = {
    **alarm_history.OPERATIONS,
    **alarms.OPERATIONS,
    **metrics.OPERATIONS,
}
EXCEPTIONS: dict[str, Exceptions] = {
    **alarm_history.EXCEPTIONS,
    **alarms.EXCEPTIONS,
    **metrics.EXCEPTIONS,
}
