"""Deployments by their record alone: instances get ready, or fail, as the tests say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.local.endpoints.test_guardrails import blue_green, instances, percent, rolling

from mlberth_local.endpoints import deployment, fleet, guardrails
from mlberth_local.endpoints.record import (
    DRAINING,
    NEW,
    READY,
    STARTING,
    STOPPING,
    Deployment,
    EndpointState,
    Fleet,
    Instance,
    keep,
    state_of,
)
from mlberth_local.store.resources import Resource

ALARM = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
MOST_SECONDS = 10_000


class Endpoint:
    """An endpoint whose instances are ready a second after they were named."""

    def __init__(self, *counts: int) -> None:
        self.now = 1000.0
        self.row = Resource("endpoint", "e", "arn", 0, 0, "", {})
        self.state = EndpointState()
        self.firing: Collection[str] = ()
        self.broken = 0
        """The number of the deployment whose instances end before they are ready."""
        self.seen: list[tuple[float, int, int]] = []
        """Whenever it changed: the newest deployment's part of the traffic, and the instances of both."""
        deployment.begin(self.row, self.state, self._deployment(1, counts), self.now)
        self.settle()

    def _deployment(self, number: int, counts: tuple[int, ...]) -> Deployment:
        fleets = [Fleet(f"v{index}", {}, [{}], 1.0, count) for index, count in enumerate(counts)]
        return Deployment(number, f"config-{number}", {}, fleets, started=self.now)

    def update(self, config: dict[str, Any] | None, *counts: int) -> None:
        """Begin with another deployment."""
        new = self._deployment(self.state.deployments[-1].number + 1, counts)
        assert list(guardrails.faults(config, sum(counts))) == []
        deployment.begin(self.row, self.state, new, self.now, config=config)
        self.seen = []

    def tick(self) -> None:
        """Let a second pass, as a daemon that is killed after each commit."""
        self.now += 1
        keep(self.row, self.state)
        self.state = state_of(self.row)
        broken = [
            owner for one in self.state.deployments if one.number == self.broken for owner in one.fleets
        ]
        for owner, one in list(self.state.instances()):
            if one.phase in (DRAINING, STOPPING):
                owner.instances.remove(one)
            elif one.phase == NEW:
                one.phase = STARTING
            elif one.phase == STARTING and owner in broken:
                owner.instances.remove(one)
                owner.reason = "it ended"
            elif one.phase == STARTING:
                one.phase, owner.reason = READY, ""
        deployment.advance(self.row, self.state, self.now, self.firing)
        fleet.scale(self.state, self.now, make=lambda owner, now: Instance(f"i-{now}-{id(owner)}", [1]))
        self._look()

    def _look(self) -> None:
        deployments = self.state.deployments
        if sum(one.share for one in deployments):  # else it is the first one that is not ready
            assert abs(sum(one.share for one in deployments) - 1) < 1e-9
        for one in deployments:
            for owner in one.fleets:
                if one.share:
                    whole = owner.desired if owner.full is None else owner.full
                    assert owner.ready >= one.share * whole - 1e-9, "less capacity than traffic"
        counts = [sum(owner.ready for owner in one.fleets) for one in deployments]
        found = (deployments[-1].share, counts[-1], sum(counts[:-1]))
        if not self.seen or self.seen[-1] != found:
            self.seen.append(found)

    def settle(self) -> None:
        """Let time pass until nothing has to be done."""
        started = self.now
        while not deployment.is_at_rest(self.row, self.state):
            self.tick()
            assert self.now < started + MOST_SECONDS

    def shares(self) -> list[float]:
        """Return the parts of the traffic that the newest deployment has had."""
        found: list[float] = []
        for share, _, _ in self.seen:
            if not found or found[-1] != share:
                found.append(share)
        return found

    @property
    def config(self) -> str:
        """The configuration that serves, at rest."""
        [one] = self.state.deployments
        return one.config_name


def test_all_at_once_waits_for_alarms_before_the_old_instances_end() -> None:
    """Both fleets are there for `TerminationWaitInSeconds`."""
    endpoint = Endpoint(2)
    endpoint.update(blue_green("ALL_AT_ONCE", last=30), 3)
    endpoint.settle()
    assert endpoint.seen[:5] == [(0.0, 0, 2), (1.0, 3, 2), (1.0, 3, 0)]
    assert endpoint.now > 1030
    assert (endpoint.row.status, endpoint.config) == ("InService", "config-2")


def test_canary_and_linear() -> None:
    """The new fleet is whole before any of it has traffic; linear ends the old one bit by bit."""
    endpoint = Endpoint(4)
    endpoint.update(blue_green("CANARY", CanarySize=instances(1)), 4)
    endpoint.settle()
    assert endpoint.seen == [(0.0, 0, 4), (0.25, 4, 4), (1, 4, 4), (1, 4, 0)]
    endpoint.update(blue_green("LINEAR", LinearStepSize=percent(50)), 4)
    endpoint.settle()
    assert endpoint.seen[:6] == [(0.0, 0, 4), (0.5, 4, 4), (0.5, 4, 2), (1.0, 4, 2), (1.0, 4, 0)]
    assert endpoint.config == "config-3"


def test_rolling_needs_one_batch_more() -> None:
    """There are never more instances than those of all and of one batch."""
    endpoint = Endpoint(4)
    endpoint.update(rolling(instances(1)), 4)
    endpoint.settle()
    assert endpoint.shares() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert max(new + old for _, new, old in endpoint.seen) == 5
    assert endpoint.config == "config-2"


def test_an_alarm_in_the_bake_brings_the_old_fleet_back() -> None:
    """All traffic goes back, the new instances end, and the reason names the alarm."""
    endpoint = Endpoint(2)
    endpoint.update(blue_green("CANARY", CanarySize=percent(10)) | ALARM, 2)
    while endpoint.state.stage != deployment.BAKING:
        endpoint.tick()
    assert endpoint.row.status == "Updating"
    endpoint.firing = ("errors",)
    endpoint.tick()
    assert endpoint.row.status == "RollingBack"
    endpoint.settle()
    assert endpoint.shares() == [0.0, 0.1, 0.0, 1.0]  # of the new one; the last is the old one at rest
    assert (endpoint.row.status, endpoint.config) == ("InService", "config-1")
    assert endpoint.state.reason == (
        "Alarms in state ALARM: errors. The deployment of config-2 was rolled back."
    )
    assert [one["status"] for one in endpoint.state.timeline][-2:] == ["RollingBack", "InService"]


def test_an_alarm_before_there_is_traffic_changes_nothing() -> None:
    """It tells of the old fleet."""
    endpoint = Endpoint(1)
    endpoint.firing = ("errors",)
    endpoint.update(blue_green("ALL_AT_ONCE", last=0) | ALARM, 1)
    endpoint.tick()
    assert endpoint.row.status == "Updating"


def test_a_rollback_of_a_rolling_deployment_goes_in_batches() -> None:
    """Old instances come back before their traffic does."""
    endpoint = Endpoint(4)
    endpoint.update(rolling(percent(25), RollbackMaximumBatchSize=percent(25)) | ALARM, 4)
    while endpoint.state.deployments[-1].share < 0.75:
        endpoint.tick()
    endpoint.tick()
    endpoint.firing = ("errors",)
    endpoint.settle()
    assert endpoint.shares() == [0.0, 0.25, 0.5, 0.75, 0.5, 0.25, 0, 1.0]
    assert endpoint.config == "config-1"


def test_instances_that_do_not_get_ready() -> None:
    """In the first step only the new ones end; later, traffic goes back; both give the reason."""
    endpoint = Endpoint(4)
    endpoint.broken = 2
    endpoint.update(rolling(percent(50)), 4)
    endpoint.settle()
    assert (endpoint.row.status, endpoint.config, endpoint.state.reason) == (
        "InService",
        "config-1",
        "it ended",
    )
    endpoint.broken = 0
    endpoint.update(rolling(percent(50)), 4)
    while endpoint.state.stage != deployment.BAKING:
        endpoint.tick()
    endpoint.broken = 2
    endpoint.settle()
    assert (endpoint.row.status, endpoint.config, endpoint.state.reason) == (
        "InService",
        "config-1",
        "it ended",
    )


def test_old_instances_that_do_not_come_back() -> None:
    """The endpoint says that its rollback has failed, and goes on trying."""
    endpoint = Endpoint(2)
    endpoint.update(rolling(percent(50)) | ALARM, 2)
    while endpoint.state.deployments[-1].share < 1:
        endpoint.tick()
    while endpoint.state.deployments[0].part > 0.5:
        endpoint.tick()
    endpoint.firing, endpoint.broken = ("errors",), 1
    while endpoint.row.status != "UpdateRollbackFailed":
        endpoint.tick()
    endpoint.broken = 0
    endpoint.settle()
    assert (endpoint.row.status, endpoint.config) == ("InService", "config-1")


def test_a_deployment_that_takes_too_long() -> None:
    """It is rolled back, and the reason says how long it may take."""
    endpoint = Endpoint(1)
    config = blue_green("CANARY", wait=599, CanarySize=percent(10))
    config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    endpoint.update(config, 1)
    endpoint.now += 599
    endpoint.settle()
    assert endpoint.config == "config-1"
    assert "took more than 600 s" in endpoint.state.reason


SIZES = st.integers(10, 50).map(percent)
CONFIGS = st.one_of(
    st.none(),
    st.builds(lambda last: blue_green("ALL_AT_ONCE", last=last), st.integers(0, 5)),
    st.builds(lambda size, wait: blue_green("CANARY", wait, CanarySize=size), SIZES, st.integers(0, 5)),
    st.builds(lambda size, wait: blue_green("LINEAR", wait, LinearStepSize=size), SIZES, st.integers(0, 5)),
    st.builds(lambda size, back: rolling(size, RollbackMaximumBatchSize=back), SIZES, SIZES),
)


@settings(max_examples=60)
@given(
    config=CONFIGS,
    old=st.lists(st.integers(1, 6), min_size=1, max_size=2),
    new=st.lists(st.integers(1, 6), min_size=1, max_size=2),
    alarm_after=st.integers(0, 120),
)
def test_capacity_is_never_less_than_the_traffic(
    config: dict[str, Any] | None, old: list[int], new: list[int], alarm_after: int
) -> None:
    """At no moment of a deployment or a rollback (`Endpoint._look` asserts it), and each comes to an end."""
    endpoint = Endpoint(*old)
    endpoint.update({**(config or {}), **ALARM}, *new)
    started = endpoint.now
    while not deployment.is_at_rest(endpoint.row, endpoint.state):
        endpoint.firing = ("errors",) if endpoint.now > started + alarm_after else ()
        endpoint.tick()
        assert endpoint.now < started + MOST_SECONDS
    counts = old if endpoint.config == "config-1" else new
    assert [owner.ready for owner in endpoint.state.deployments[0].fleets] == counts
    assert (endpoint.config == "config-1") == bool(endpoint.state.reason)
