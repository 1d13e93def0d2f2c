"""The choice of an instance."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mlberth_local.asynchronous.capacity import choose, concurrency, places
from mlberth_local.endpoints.record import READY, Deployment, EndpointState, Fleet, Instance


def state(**config: object) -> EndpointState:
    """Return an endpoint with two variants, one instance and two; one more is not ready."""
    instances = [Instance(name, [1], READY) for name in "xyz"]
    fleets = [
        Fleet("a", {}, [{}], 3.0, 1, instances=instances[:1]),
        Fleet("b", {}, [{}], 1.0, 2, instances=[*instances[1:], Instance("w", [1])]),
        Fleet("s", {}, [{}], 1.0, 1, shadow=True, instances=[Instance("v", [1], READY)]),
    ]
    return EndpointState([Deployment(1, "c", dict(config), fleets, share=1.0)])


def test_places() -> None:
    """Those that are ready, with their parts of the weights; no shadow is among them."""
    assert [(one.name, one.weight, one.containers) for one in places(state())] == [
        ("x", 3.0, ("primary",)),
        ("y", 0.5, ("primary",)),
        ("z", 0.5, ("primary",)),
    ]


def test_concurrency() -> None:
    """The endpoint's own, or the default."""
    config = {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 7}}
    assert (concurrency(state(AsyncInferenceConfig=config)), concurrency(state())) == (7, 4)
    assert concurrency(EndpointState()) == 4


def test_variants_get_their_parts() -> None:
    """Of many requests; an instance that has as many as it may gets none."""
    found, seeded = places(state()), random.Random(1)
    chosen = Counter(choose(found, Counter(), 1, seeded.random).variant for _ in range(1000))  # type: ignore[union-attr]
    assert chosen["a"] == pytest.approx(750, abs=60)
    busy = Counter({"x": 1, "y": 1})
    only = [one for _ in range(20) if (one := choose(found, busy, 1))]
    assert {one.name for one in only} == {"z"}
    assert len(only) == 20
    assert choose(found, Counter({"x": 1, "y": 1, "z": 1}), 1) is None
    assert choose([], Counter(), 1) is None
