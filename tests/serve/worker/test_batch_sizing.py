"""How many requests a worker takes at once."""

from __future__ import annotations

import pytest

from mlberth_serve.worker.batch_sizing import AdaptiveBatchSize


def learn(size: AdaptiveBatchSize, first: float, further: float, *, turns: int = 50) -> int:
    """Let a worker take as many as it may, of a model that takes so long; returns what it then may."""
    for _ in range(turns):
        count = size.allowed
        size.note(count, first + (count - 1) * further, waiting=True)
    return size.allowed


def test_first_request_is_alone() -> None:
    """Nothing is known of the model yet."""
    assert AdaptiveBatchSize(32).allowed == 1


def test_cheap_requests_share_a_call() -> None:
    """A prediction of a fifth of a millisecond, to which each further one adds little."""
    assert learn(AdaptiveBatchSize(32), 0.0002, 0.00001) == 32


def test_long_predictions_are_left_to_other_workers() -> None:
    """Where each adds as much as the first takes, nobody waits for another's: now and then two, to learn."""
    size = AdaptiveBatchSize(32)
    taken = []
    for _ in range(100):
        taken.append(size.allowed)
        size.note(taken[-1], taken[-1] * 0.1, waiting=True)
    assert max(taken) == 2
    assert taken.count(2) == 2


def test_without_a_queue_nothing_is_tried() -> None:
    """A long prediction is never doubled for curiosity while others are idle."""
    size = AdaptiveBatchSize(32)
    for _ in range(100):
        assert size.allowed == 1
        size.note(1, 0.1, waiting=False)


def test_long_call_that_takes_any_number_is_shared() -> None:
    """A model whose call takes 50 ms however many rows it has: found by trying two under a backlog."""
    assert learn(AdaptiveBatchSize(32), 0.05, 0.0001, turns=200) == 32


@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_slow_first_request_is_forgotten_at_once(seconds: float) -> None:
    """Libraries start up in it."""
    size = AdaptiveBatchSize(8)
    size.note(1, seconds, waiting=False)
    size.note(1, 0.0001, waiting=False)
    assert size.allowed == 8


def test_bound_holds() -> None:
    """However cheap, never more than were asked for."""
    assert learn(AdaptiveBatchSize(3), 0.00001, 0.0) == 3
    assert learn(AdaptiveBatchSize(1), 0.00001, 0.0) == 1
