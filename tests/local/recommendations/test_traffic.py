"""Tests of traffic patterns."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.recommendations.traffic import Stage, doubling, faults, stages


def stairs(**members: Any) -> dict[str, Any]:
    """Return a pattern of stairs."""
    return {"TrafficType": "STAIRS", "Stairs": members}


def phases(*given: dict[str, Any]) -> dict[str, Any]:
    """Return a pattern of phases."""
    return {"TrafficType": "PHASES", "Phases": list(given)}


def test_stairs() -> None:
    """Each step has as many users more."""
    found = stages(stairs(DurationInSeconds=60, NumberOfSteps=3, UsersPerStep=2))
    assert found == [Stage(2, 60), Stage(4, 60), Stage(6, 60)]


def test_phases() -> None:
    """A phase keeps its users, unless its SpawnRate brings new ones each minute."""
    still = {"InitialNumberOfUsers": 1, "DurationInSeconds": 30}
    rising = {"InitialNumberOfUsers": 2, "SpawnRate": 2, "DurationInSeconds": 120}
    assert stages(phases(still, rising)) == [Stage(1, 30), *(Stage(users, 30) for users in (2, 3, 4, 5))]


def test_fast_spawning_makes_few_steps() -> None:
    """A step is long enough to measure something."""
    found = stages(phases({"InitialNumberOfUsers": 1, "SpawnRate": 600, "DurationInSeconds": 5}))
    assert [one.users for one in found] == [1, 11, 21, 31, 41]
    assert sum(one.seconds for one in found) == pytest.approx(5)
    found = stages(phases({"InitialNumberOfUsers": 1, "SpawnRate": 60, "DurationInSeconds": 100}))
    assert [one.users for one in found] == list(range(1, 92, 10))
    assert stages(phases({"InitialNumberOfUsers": 3, "SpawnRate": 1, "DurationInSeconds": 1})) == [
        Stage(3, 1)
    ]


def test_no_pattern() -> None:
    assert [one.users for one in doubling(2.0)] == [1, 2, 4, 8, 16, 32]
    assert [one.users for one in doubling(2.0, most=5)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, ["TrafficType is required"]),
        (phases(), ["Phases is required with TrafficType PHASES"]),
        (
            phases({"SpawnRate": 1}),
            ["Phases.1.InitialNumberOfUsers is required", "Phases.1.DurationInSeconds is required"],
        ),
        (stairs(UsersPerStep=1, NumberOfSteps=2), ["Stairs.DurationInSeconds is required"]),
        (
            stairs(UsersPerStep=3, NumberOfSteps=100, DurationInSeconds=60),
            ["takes 6000 s, which is more than JobDurationInSeconds, 600", "has 300 users at once"],
        ),
        (
            {**stairs(UsersPerStep=1, NumberOfSteps=1, DurationInSeconds=1), "Phases": [{}]},
            ["Phases has no place beside TrafficType STAIRS"],
        ),
        (stairs(UsersPerStep=1, NumberOfSteps=1, DurationInSeconds=600), []),
    ],
    ids=["kind", "phases", "members", "duration", "too much", "both", "right"],
)
def test_faults(pattern: dict[str, Any], expected: list[str]) -> None:
    """All faults are said at once, by the names of the API."""
    found = list(faults(pattern, 600))
    assert len(found) == len(expected)
    assert all(text in fault for text, fault in zip(expected, found, strict=True)), found
