"""The order of what is shuffled."""

from __future__ import annotations

from mlberth_local.inputs.order import shuffled


def test_an_order_is_that_of_its_seed_and_epoch() -> None:
    """It is the same for the same seed, and another for another epoch."""
    items = tuple(range(20))
    assert shuffled(items, None) == items
    assert shuffled(items, 7) == shuffled(items, 7) != items
    assert shuffled(items, 7, 1) != shuffled(items, 7, 2)
    assert sorted(shuffled(items, 7)) == list(items)
