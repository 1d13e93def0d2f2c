"""The arbiter's duplicates of the connections that a worker keeps."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlberth_serve.shared.heartbeat import WorkerStatus
from mlberth_serve.worker.revocation import LATE_SECONDS, ConnectionRevoker, revoke_stuck

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def revoker() -> Iterator[ConnectionRevoker]:
    """Return one worker's, arbiter and worker being this process."""
    with closing(ConnectionRevoker()) as made:
        yield made


def register(revoker: ConnectionRevoker, slot: int) -> tuple[socket.socket, socket.socket]:
    """Register a connection; returns nginx's end and the worker's."""
    nginx, worker = socket.socketpair()
    assert revoker.register(slot, worker)
    return nginx, worker


def has_ended(connection: socket.socket) -> bool:
    """Return whether the other side has shut down."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def test_what_is_not_in_work_is_shut_down(revoker: ConnectionRevoker) -> None:
    """The others stay as they are."""
    pairs = [register(revoker, slot) for slot in range(3)]
    revoker.collect()
    revoker.revoke_except(working=0b010)
    assert [has_ended(nginx) for nginx, _ in pairs] == [True, False, True]
    pairs[1][1].sendall(b"an answer")
    assert pairs[1][0].recv(100) == b"an answer"
    for pair in pairs:
        pair[0].close()
        pair[1].close()


def test_slot_is_its_latest_connections(revoker: ConnectionRevoker) -> None:
    """The duplicate of what had it before is given up."""
    first, second = register(revoker, 7), register(revoker, 7)
    revoker.collect()
    first[1].close()
    assert has_ended(first[0])
    revoker.revoke_except(working=1 << 7)
    assert not has_ended(second[0])
    for each in (*first, *second):
        each.close()


def test_what_has_ended_is_given_up(revoker: ConnectionRevoker) -> None:
    """Whichever side has ended it; no descriptor is kept for it."""
    before = len(list(DESCRIPTORS.iterdir()))
    by_worker, by_nginx, kept = (register(revoker, slot) for slot in range(3))
    revoker.collect()
    by_worker[1].shutdown(socket.SHUT_RDWR)
    by_nginx[0].close()
    for each in (*by_worker, by_nginx[1]):
        each.close()
    revoker.collect()
    assert len(list(DESCRIPTORS.iterdir())) == before + 3
    assert not has_ended(kept[0])
    for each in kept:
        each.close()


def test_worker_that_dies_leaves_nothing_open() -> None:
    """What it had given, whether the arbiter had taken it or not, is shut down; descriptors come back."""
    before = len(list(DESCRIPTORS.iterdir()))
    revoker = ConnectionRevoker()
    taken = register(revoker, 0)
    revoker.collect()
    given = register(revoker, 1)
    for _, worker in (taken, given):
        worker.close()
    revoker.end()
    for nginx, _ in (taken, given):
        assert has_ended(nginx)
        nginx.close()
    assert len(list(DESCRIPTORS.iterdir())) == before


def test_arbiter_that_does_not_look_takes_no_more(revoker: ConnectionRevoker) -> None:
    """A worker learns that a connection has no duplicate, and is not to be kept."""
    nginx, worker = socket.socketpair()
    results = [revoker.register(0, worker) for _ in range(2000)]
    assert results[0]
    assert not results[-1]
    revoker.collect()
    assert revoker.register(0, worker)
    nginx.close()
    worker.close()


@pytest.mark.parametrize(
    ("began", "revoked"), [(0.0, False), (10.0, False), (10.0 - LATE_SECONDS * 0.9, False), (9.8, True)]
)
def test_late_worker_loses_what_waits(revoker: ConnectionRevoker, began: float, revoked: bool) -> None:
    """After a tenth of a second with one request, all but the connection of that request is shut down."""
    (nginx, worker), (other_nginx, other_worker) = register(revoker, 0), register(revoker, 1)
    revoke_stuck([(revoker, WorkerStatus(10.0, began, 0b01))], now=10.0)
    assert (has_ended(nginx), has_ended(other_nginx)) == (False, revoked)
    for each in (nginx, worker, other_nginx, other_worker):
        each.close()
