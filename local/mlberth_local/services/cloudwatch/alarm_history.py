"""The history of alarms, also of deleted ones."""

from __future__ import annotations

import json
from typing import Any

from mlberth_local.alarms.alarms import KIND
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.services.cloudwatch import pages
from mlberth_local.store.events import EventQuery

_LONGEST_DATA = 4095


def describe_alarm_history(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List what has happened to alarms, newest first unless asked otherwise."""
    if request.get("AlarmTypes") and "MetricAlarm" not in request["AlarmTypes"]:
        return {"AlarmHistoryItems": []}
    query = EventQuery(
        KIND,
        name=request.get("AlarmName") or "",
        type=request.get("HistoryItemType") or "",
        since=request.get("StartDate", 0.0),
        until=request.get("EndDate", 1e12),
        descending=request.get("ScanBy") != "TimestampAscending",
        limit=request.get("MaxRecords") or 100,
        after=pages.position(request.get("NextToken")),
    )
    found, after = platform.alarms.events.list(query)
    items = [
        {
            "AlarmName": event.name,
            "AlarmType": "MetricAlarm",
            "Timestamp": event.time,
            "HistoryItemType": event.type,
            "HistorySummary": event.summary,
            "HistoryData": json.dumps(event.data)[:_LONGEST_DATA],
        }
        for event in found
    ]
    return {"AlarmHistoryItems": items, **pages.token(after)}


OPERATIONS: dict[str, Operation] = {"DescribeAlarmHistory": describe_alarm_history}
EXCEPTIONS: dict[str, Exceptions] = {
    "DescribeAlarmHistory": Exceptions(refused={"AlarmContributorId": "alarms watch one time series each"})
}
