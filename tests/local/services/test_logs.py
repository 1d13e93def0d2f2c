"""Tests of Logs, with boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlberth_local.log_files import LogWriter, stream_file

GROUP = "/aws/sagemaker/TrainingJobs"


def write(front: Any, stream: str, lines: list[str], milliseconds: int = 1000) -> None:
    """Append lines to a stream, all at one time."""
    writer = LogWriter(stream_file(front.platform.log_folder, GROUP, stream))
    writer.write([line.encode() for line in lines], milliseconds)
    writer.finish()


@pytest.fixture
def logs(front: Any) -> Any:
    """Return a client."""
    return front.client("logs")


def test_a_reader_with_tokens_gets_each_line_once(front: Any, logs: Any) -> None:
    write(front, "tail/algo-1", [f"line {n}" for n in range(5)])
    where = {"logGroupName": GROUP, "logStreamName": "tail/algo-1", "limit": 2}
    seen, token = [], {"startFromHead": True}
    for _ in range(10):
        page = logs.get_log_events(**where, **token)
        seen += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}
    assert seen == [f"line {n}" for n in range(5)]
    write(front, "tail/algo-1", ["line 5"], 2000)
    assert [event["message"] for event in logs.get_log_events(**where, **token)["events"]] == ["line 5"]
    last = logs.get_log_events(**where)
    assert [event["message"] for event in last["events"]] == ["line 4", "line 5"]
    before = logs.get_log_events(**where, nextToken=last["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == ["line 2", "line 3"]


def test_times_are_stable_and_limit_what_is_read(front: Any, logs: Any) -> None:
    write(front, "times/algo-1", ["a", "b"], 1000)
    write(front, "times/algo-1", ["c"], 2000)
    where = {"logGroupName": GROUP, "logStreamName": "times/algo-1", "startFromHead": True}
    first, second = (logs.get_log_events(**where)["events"] for _ in range(2))
    assert first == second
    assert [event["timestamp"] for event in first] == [1000, 1000, 2000]
    assert [event["message"] for event in logs.get_log_events(**where, startTime=1001)["events"]] == ["c"]
    assert [event["message"] for event in logs.get_log_events(**where, endTime=2000)["events"]] == ["a", "b"]
    search = {"logGroupName": GROUP, "logStreamNames": ["times/algo-1"]}
    for end, expected in ((1999, ["a", "b"]), (2000, ["a", "b", "c"])):
        found = logs.filter_log_events(**search, endTime=end)["events"]
        assert [event["message"] for event in found] == expected


def test_all_streams_of_a_job_are_in_one_page(front: Any, logs: Any) -> None:
    for number in range(1, 4):
        write(front, f"job/algo-{number}", ["x"], 1000 * number)
    write(front, "job-2/algo-1", ["x"])
    found = logs.describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix="job/", orderBy="LogStreamName", limit=1
    )
    assert [one["logStreamName"] for one in found["logStreams"]] == [f"job/algo-{n}" for n in (1, 2, 3)]
    assert [one["lastEventTimestamp"] for one in found["logStreams"]] == [1000, 2000, 3000]
    assert "nextToken" not in found
    assert GROUP in [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]


def test_a_group_is_searched(front: Any, logs: Any) -> None:
    write(front, "search/algo-1", ["ERROR out of memory", "fine"], 1000)
    write(front, "search/algo-2", ["ERROR memory is out"], 500)
    search = {"logGroupName": GROUP, "logStreamNamePrefix": "search/"}
    found = logs.filter_log_events(**search, filterPattern='ERROR "out of memory"')["events"]
    assert [one["message"] for one in found] == ["ERROR out of memory"]
    pages = list(logs.get_paginator("filter_log_events").paginate(**search, PaginationConfig={"PageSize": 1}))
    events = [event for page in pages for event in page["events"]]
    assert [one["message"] for one in events] == ["ERROR memory is out", "ERROR out of memory", "fine"]
    assert len({one["eventId"] for one in events}) == 3
    with pytest.raises(ClientError, match="expected words"):
        logs.filter_log_events(**search, filterPattern="{ $.a = 1 }")


def test_what_is_not_there(logs: Any) -> None:
    for group, stream in (("none", "s"), (GROUP, "none"), (GROUP, "../../../etc/passwd")):
        with pytest.raises(ClientError, match=r"ResourceNotFoundException.*does not exist"):
            logs.get_log_events(logGroupName=group, logStreamName=stream)
    with pytest.raises(ClientError, match="nextToken is invalid"):
        logs.get_log_events(logGroupName=GROUP, logStreamName="job/algo-1", nextToken="x")
