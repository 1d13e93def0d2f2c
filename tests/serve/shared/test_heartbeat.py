"""The workers' signs of life."""

from __future__ import annotations

import os

from mlberth_serve.shared.heartbeat import Heartbeats, WorkerStatus
from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS


def test_two_processes_see_the_same() -> None:
    """What one writes into its slot, another that has the descriptor reads; other slots stay empty."""
    ours = Heartbeats.create(2)
    theirs = Heartbeats(ours.descriptor)
    child = os.fork()
    if child == 0:
        theirs.heartbeat(1, clock=lambda: 7.0).beat()
        os._exit(0)
    os.waitpid(child, 0)
    assert ours.statuses() == [WorkerStatus(0.0, 0.0), WorkerStatus(7.0, 0.0)]
    ours.close()
    assert ours.statuses()[1].loaded


def test_request_has_a_beginning_and_an_end() -> None:
    """Its beginning is a sign of life as well; a worker that is gone leaves an empty slot."""
    times = iter([1.0, 2.0, 5.0])
    heartbeats = Heartbeats.create(1)
    heartbeat = heartbeats.heartbeat(0, clock=lambda: next(times))
    heartbeat.beat()
    assert heartbeats.statuses() == [WorkerStatus(1.0, 0.0)]
    heartbeat.begin_request(0b101, b"7" * 32)
    assert heartbeats.statuses() == [WorkerStatus(2.0, 2.0, 0b101, "7" * 32)]
    assert heartbeat.end_request() == 3.0
    assert heartbeats.statuses() == [WorkerStatus(2.0, 0.0, 0b101, "7" * 32)]
    heartbeat.clear()
    assert heartbeats.statuses() == [WorkerStatus(0.0, 0.0)]
    heartbeats.close()


def test_id_of_any_length_fits() -> None:
    """A client's own id, where there is no nginx, is cut or filled up; the cells beside it stay."""
    heartbeats = Heartbeats.create(2)
    for given, kept in ((b"short", "short"), (b"9" * 128, "9" * 32), (b"", "")):
        heartbeats.heartbeat(0, clock=lambda: 1.0).begin_request(3, given)
        assert heartbeats.statuses() == [WorkerStatus(1.0, 1.0, 3, kept), WorkerStatus(0.0, 0.0)]


def test_busy_is_alive_and_silent_is_not() -> None:
    """The younger of the last sign and the request's start decides; a slot without a worker is not alive."""
    assert WorkerStatus(10.0, 0.0).is_alive(13.0, limit=3)
    assert not WorkerStatus(10.0, 0.0).is_alive(13.1, limit=3)
    assert WorkerStatus(10.0, 12.0).is_alive(14.0, limit=3)
    assert not WorkerStatus(0.0, 0.0).is_alive(1.0, limit=3)


def test_late_is_who_works_for_long() -> None:
    """A worker without a request is never late."""
    assert WorkerStatus(1.0, 10.0).is_late(10.2, limit=0.1)
    assert not WorkerStatus(1.0, 10.0).is_late(10.05, limit=0.1)
    assert not WorkerStatus(1.0, 0.0).is_late(10.0, limit=0.1)


def test_every_connection_has_a_bit() -> None:
    """All that a worker may keep, and all 64 bits of the mask, come back as they were written."""
    heartbeats = Heartbeats.create(2)
    for mask in ((1 << MAX_KEPT_CONNECTIONS) - 1, (1 << 64) - 1):
        heartbeats.heartbeat(1).begin_request(mask)
        assert [status.working for status in heartbeats.statuses()] == [0, mask]
    heartbeats.close()
