"""Tests of who takes a request, with chances that are the same each time."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.local.gateway.platform import endpoint, instance, one_port, variant

from mlberth_local.errors import ServiceError
from mlberth_local.gateway.proxy.routes import Routes
from mlberth_local.gateway.table import Endpoint, Fleet, Table, Variant


def routes(*endpoints: Endpoint) -> Routes:
    """Return routes with a seed."""
    found = Routes(random.Random(7).random)
    found.apply(Table(endpoints))
    return found


def test_weights() -> None:
    found = routes(
        endpoint(variant(name="a", weight=0.2), variant(name="b", weight=0.6), variant(name="c", weight=0))
    )
    live = found.endpoint("e")
    counts = Counter(live.variant(None, found.chance).variant.name for _ in range(4000))
    assert abs(counts["a"] - 1000) < 100
    assert counts["a"] + counts["b"] == 4000
    assert live.variant("c", found.chance).variant.name == "c"


def test_all_weights_are_zero() -> None:
    found = routes(endpoint(variant(name="a", weight=0), variant(name="b", weight=0)))
    with pytest.raises(ServiceError, match="all weights are 0"):
        found.endpoint("e").variant(None, found.chance)


def test_shares_of_fleets() -> None:
    """While traffic shifts, each fleet gets its share of the requests; one with none gets no request."""
    blue, green, none = instance(1, name="blue"), instance(2, name="green"), instance(3, name="none")
    fleets = (Fleet("1", (blue,), 0.9), Fleet("2", (green,), 0.1), Fleet("3", (none,), 0.0))
    found = routes(endpoint(Variant("v", 1.0, fleets)))
    live = found.endpoint("e").variants["v"]
    order = [[one.instance.name for _, one in live.candidates(found.chance)] for _ in range(2000)]
    counts = Counter(names[0] for names in order)
    assert abs(counts["green"] - 200) < 60
    assert not counts["none"]
    assert {tuple(sorted(names)) for names in order} == {("blue", "green")}


def test_ties_are_shared() -> None:
    """In a quiet time every instance gets requests, not the first alone."""
    found = routes(endpoint(variant(*(instance(port, name=str(port)) for port in range(1, 5)))))
    live = found.endpoint("e").variants["AllTraffic"]
    counts = Counter(next(live.candidates(found.chance))[1].instance.name for _ in range(400))
    assert all(count > 60 for count in counts.values())
    assert len(counts) == 4


def test_unhealthy_instances_get_nothing() -> None:
    """Of a fleet those that are healthy take all; without any, another fleet does, or nobody."""
    blue, other, green = instance(1, name="blue"), instance(2, name="other"), instance(3, name="green")
    fleets = (Fleet("1", (blue, other), 0.5), Fleet("2", (green,), 0.5))
    found = routes(endpoint(Variant("v", 1.0, fleets)))
    live = found.endpoint("e").variants["v"]

    def takers() -> set[str]:
        return {one.instance.name for _ in range(100) for _, one in live.candidates(found.chance)}

    for sick, left in (("blue", {"other", "green"}), ("other", {"green"}), ("green", set())):
        [health] = [one for one in found.healths() if one.instance == sick]
        health.is_sick = True
        assert takers() == left


def test_a_new_table_keeps_what_an_instance_has_in_flight() -> None:
    found = routes(one_port(1))
    first = next(found.endpoint("e").variants["AllTraffic"].candidates(found.chance))[1]
    first.outstanding += 1
    found.apply(Table((one_port(1), one_port(2, name="other"))))
    again = next(found.endpoint("e").variants["AllTraffic"].candidates(found.chance))[1]
    assert again is first
    assert found.outstanding() == 1
    found.apply(Table())
    assert found.outstanding() == 1
    first.done()
    assert found.outstanding() == 0
