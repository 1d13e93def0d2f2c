"""What Docker tells of a container, as the state of a host."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.engines.base import HostState
from mlberth_local.engines.docker import host_state

STARTED, EARLIER = "2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.25Z"
SECONDS = 1767323045.5


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"Status": "created", "Error": ""}, HostState()),
        ({"Status": "created", "Error": "no such program"}, HostState(problem="no such program")),
        ({"Status": "running"}, HostState(SECONDS)),
        ({"Status": "exited", "FinishedAt": "2026-01-02T03:04:07.5Z"}, HostState(SECONDS, SECONDS + 2, 3)),
        ({"Status": "exited", "FinishedAt": EARLIER}, HostState(SECONDS, SECONDS, 3)),
        (
            {"Status": "dead", "FinishedAt": STARTED, "OOMKilled": True},
            HostState(SECONDS, SECONDS, 3, "it used more memory than it has"),
        ),
    ],
    ids=["created", "cannot start", "running", "ended", "ended before its start was noted", "out of memory"],
)
def test_states(told: dict[str, Any], state: HostState) -> None:
    """Times are seconds; a host never ends before it has started."""
    whole = {"StartedAt": STARTED, "ExitCode": 3, "Error": "", "OOMKilled": False} | told
    assert host_state(whole) == state
