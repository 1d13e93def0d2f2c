"""Logs: groups and streams as files. A token is a byte of a stream's file, so no line is read twice."""

from __future__ import annotations

import heapq
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlberth_local import log_files
from mlberth_local.errors import ServiceError
from mlberth_local.log_files import LogEvent
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import Platform

LARGEST_PAGE = 10_000
_LARGEST_ANSWER = 1024 * 1024
"""Of the messages in a page, in bytes."""
_TOKEN = re.compile(r"[fb]/(\d{1,18})")


def describe_log_groups(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the groups."""
    prefix, pattern = request.get("logGroupNamePrefix") or "", request.get("logGroupNamePattern") or ""
    names = [
        name
        for name in log_files.groups(platform.log_folder)
        if name.startswith(prefix) and pattern.lower() in name.lower()
    ]
    return {
        "logGroups": [
            {
                "logGroupName": name,
                "arn": platform.arn("logs", f"log-group:{name}:*"),
                "creationTime": _milliseconds(log_files.group_folder(platform.log_folder, name)),
                "storedBytes": 0,
            }
            for name in names
        ]
    }


def _milliseconds(path: Path) -> int:
    return int(path.stat().st_ctime * 1000)


def describe_log_streams(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the streams of a group, all in one page: a reader with a token of a page would ask for ever."""
    group = _group(platform, request)
    names = log_files.streams(platform.log_folder, group, request.get("logStreamNamePrefix") or "")
    found = [_stream(platform, group, name) for name in names]
    if request.get("orderBy") == "LastEventTime":
        found.sort(key=lambda one: one.get("lastEventTimestamp", 0))
    if request.get("descending"):
        found.reverse()
    return {"logStreams": found}


def _group(platform: Platform, request: Mapping[str, Any]) -> str:
    """Return the group of a request. Raises ResourceNotFoundException."""
    name = request.get("logGroupName") or ""
    if not name and (found := re.search(r":log-group:([^:]+)", request.get("logGroupIdentifier") or "")):
        name = found[1]
    name = name or request.get("logGroupIdentifier") or ""
    if not log_files.group_folder(platform.log_folder, name).is_dir():
        raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
    return str(name)


def _stream(platform: Platform, group: str, name: str) -> dict[str, Any]:
    path = log_files.stream_file(platform.log_folder, group, name)
    described: dict[str, Any] = {
        "logStreamName": name,
        "arn": platform.arn("logs", f"log-group:{group}:log-stream:{name}"),
        "creationTime": _milliseconds(path),
        "storedBytes": path.stat().st_size,
        "uploadSequenceToken": str(path.stat().st_size),
    }
    first, last = next(log_files.read_events(path), None), _last(path)
    if first and last:
        described |= {
            "creationTime": first.time,
            "firstEventTimestamp": first.time,
            "lastEventTimestamp": last,
            "lastIngestionTime": last,
        }
    return described


def _last(path: Path) -> int | None:
    """Return the time of a stream's last event, from the end of its file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2 * log_files.LARGEST_MESSAGE))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            return int(json.loads(line)["t"])
        except (ValueError, LookupError, TypeError):  # not whole yet, or cut by where reading began
            continue
    return None


def get_log_events(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a page of a stream, onwards from a token or the start, or backwards from a token or the end."""
    path = _path(platform, _group(platform, request), request["logStreamName"])
    limit = request.get("limit") or LARGEST_PAGE
    token = request.get("nextToken")
    position = _position(token)
    if token and token.startswith("b/"):
        found = _before(path, position, limit, request)
    elif token or request.get("startFromHead"):
        found = _after(path, position, limit, request)
    else:
        found = _before(path, path.stat().st_size, limit, request)
    events, start, end = found
    return {
        "events": [
            {"timestamp": event.time, "message": event.message, "ingestionTime": event.time}
            for event in events
        ],
        "nextForwardToken": f"f/{end}",
        "nextBackwardToken": f"b/{start}",
    }


def _path(platform: Platform, group: str, stream: str) -> Path:
    try:
        path = log_files.stream_file(platform.log_folder, group, stream)
    except ValueError:
        path = Path()
    if not path.is_file():
        raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
    return path


def _position(token: str | None) -> int:
    if token is None:
        return 0
    if not (found := _TOKEN.fullmatch(token)):
        raise ServiceError("InvalidParameterException", "The specified nextToken is invalid.")
    return int(found[1])


def _after(
    path: Path, position: int, limit: int, request: Mapping[str, Any]
) -> tuple[list[LogEvent], int, int]:
    """Return events from a byte on, and the bytes before and after what was looked at."""
    events: list[LogEvent] = []
    end, size = position, 0
    for event in log_files.read_events(path, position):
        if _in_time(event, request):
            size += len(event.message) + 26
            if len(events) == limit or size > _LARGEST_ANSWER:
                break
            events.append(event)
        end = event.end
    return events, position, end


def _before(
    path: Path, position: int, limit: int, request: Mapping[str, Any]
) -> tuple[list[LogEvent], int, int]:
    """Return the last events before a byte, and the bytes before and after them."""
    chosen: list[tuple[int, LogEvent]] = []
    start = 0
    for event in log_files.read_events(path):
        if event.end > position:
            break
        if _in_time(event, request):
            chosen.append((start, event))
            if len(chosen) > limit:
                del chosen[0]
        start = event.end
    if not chosen:
        return [], position if position < path.stat().st_size else start, start
    return [event for _, event in chosen], chosen[0][0], start


def _in_time(event: LogEvent, request: Mapping[str, Any]) -> bool:
    """Whether an event is in the range of GetLogEvents, which ends before its last millisecond."""
    start, end = request.get("startTime"), request.get("endTime")
    return (start is None or event.time >= start) and (end is None or event.time < end)


def filter_log_events(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the events of a group's streams that have every word of a pattern, by their times."""
    group = _group(platform, request)
    if prefix := request.get("logStreamNamePrefix"):
        names = log_files.streams(platform.log_folder, group, prefix)
    else:
        names = request.get("logStreamNames") or log_files.streams(platform.log_folder, group)
    streams = [_events(platform, group, name, request) for name in names]
    limit = request.get("limit") or LARGEST_PAGE
    skip = _position(f"f/{request['nextToken']}") if request.get("nextToken") else 0
    found: list[tuple[str, LogEvent]] = []
    size, more = 0, False
    for index, (_, name, event) in enumerate(heapq.merge(*streams, key=lambda one: one[0])):
        if index < skip:
            continue
        size += len(event.message) + 26
        if len(found) == limit or size > _LARGEST_ANSWER:
            more = True
            break
        found.append((name, event))
    return {
        "events": [
            {
                "logStreamName": name,
                "timestamp": event.time,
                "message": event.message,
                "ingestionTime": event.time,
                "eventId": f"{zlib.crc32(name.encode()):010}{event.end:020}",
            }
            for name, event in found
        ],
        "searchedLogStreams": [],
        "nextToken": str(skip + len(found)) if more else None,
    }


def _events(
    platform: Platform, group: str, name: str, request: Mapping[str, Any]
) -> Iterator[tuple[int, str, LogEvent]]:
    """Yield the events of one stream that fit, with their times."""
    words = _words(request.get("filterPattern") or "")
    # Here the range has its last millisecond, too, which that of GetLogEvents has not.
    times = {**request, "endTime": None if request.get("endTime") is None else request["endTime"] + 1}
    for event in log_files.read_events(_path(platform, group, name)):
        if _in_time(event, times) and all(word in event.message for word in words):
            yield event.time, name, event


def _words(pattern: str) -> list[str]:
    """Return the words of a filter pattern: `ERROR "out of memory"`; other forms are refused."""
    if pattern.strip().startswith(("{", "[", "%")) or re.search(r"(^|\s)[-?]", pattern):
        text = f"Found the filter pattern {pattern!r}; expected words and quoted phrases."
        raise ServiceError("InvalidParameterException", text)
    return [quoted or word for quoted, word in re.findall(r'"([^"]+)"|([^\s"]+)', pattern)]


OPERATIONS: dict[str, Operation] = {
    "DescribeLogGroups": describe_log_groups,
    "DescribeLogStreams": describe_log_streams,
    "FilterLogEvents": filter_log_events,
    "GetLogEvents": get_log_events,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "DescribeLogGroups": Exceptions(
        without_effect={
            "accountIdentifiers": "there is one account",
            "includeLinkedAccounts": "there is one account",
            "limit": ONE_PAGE,
            "nextToken": ONE_PAGE,
            "logGroupClass": "there is one class",
            "logGroupIdentifiers": ONE_PAGE,
        }
    ),
    "DescribeLogStreams": Exceptions(without_effect={"limit": ONE_PAGE, "nextToken": ONE_PAGE}),
    "FilterLogEvents": Exceptions(
        without_effect={
            "interleaved": "events are always in the order of time",
            "unmask": "nothing is masked",
        }
    ),
    "GetLogEvents": Exceptions(without_effect={"unmask": "nothing is masked"}),
}
