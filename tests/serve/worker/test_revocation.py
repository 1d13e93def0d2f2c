"""The master's duplicates of the connections that a worker keeps."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlberth_serve.worker.revocation import ConnectionRevoker

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def duplicates() -> Iterator[ConnectionRevoker]:
    """Return those of one worker, master and worker being this process."""
    with closing(ConnectionRevoker()) as made:
        yield made


def give(duplicates: ConnectionRevoker, place: int) -> tuple[socket.socket, socket.socket]:
    """Give a connection; returns nginx's end and the worker's."""
    nginx, worker = socket.socketpair()
    assert duplicates.give(place, worker)
    return nginx, worker


def has_ended(connection: socket.socket) -> bool:
    """Tell whether the other side has shut down."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def test_what_is_not_in_work_is_shut_down(duplicates: ConnectionRevoker) -> None:
    """The others stay as they are."""
    pairs = [give(duplicates, place) for place in range(3)]
    duplicates.take()
    duplicates.shut(working=0b010)
    assert [has_ended(nginx) for nginx, _ in pairs] == [True, False, True]
    pairs[1][1].sendall(b"an answer")
    assert pairs[1][0].recv(100) == b"an answer"
    for pair in pairs:
        pair[0].close()
        pair[1].close()


def test_place_is_its_latest_connections(duplicates: ConnectionRevoker) -> None:
    """The duplicate of what had it before is given up."""
    first, second = give(duplicates, 7), give(duplicates, 7)
    duplicates.take()
    first[1].close()
    assert has_ended(first[0])
    duplicates.shut(working=1 << 7)
    assert not has_ended(second[0])
    for each in (*first, *second):
        each.close()


def test_what_has_ended_is_given_up(duplicates: ConnectionRevoker) -> None:
    """Whichever side has ended it; no descriptor is kept for it."""
    before = len(list(DESCRIPTORS.iterdir()))
    by_worker, by_nginx, kept = (give(duplicates, place) for place in range(3))
    duplicates.take()
    by_worker[1].shutdown(socket.SHUT_RDWR)
    by_nginx[0].close()
    for each in (*by_worker, by_nginx[1]):
        each.close()
    duplicates.take()
    assert len(list(DESCRIPTORS.iterdir())) == before + 3
    assert not has_ended(kept[0])
    for each in kept:
        each.close()


def test_worker_that_dies_leaves_nothing_open() -> None:
    """What it had given, whether the master had taken it or not, is shut down; descriptors come back."""
    before = len(list(DESCRIPTORS.iterdir()))
    duplicates = ConnectionRevoker()
    taken = give(duplicates, 0)
    duplicates.take()
    given = give(duplicates, 1)
    for _, worker in (taken, given):
        worker.close()
    duplicates.end()
    for nginx, _ in (taken, given):
        assert has_ended(nginx)
        nginx.close()
    assert len(list(DESCRIPTORS.iterdir())) == before


def test_master_that_does_not_look_takes_no_more(duplicates: ConnectionRevoker) -> None:
    """A worker learns that a connection has no duplicate, and is not to be kept."""
    nginx, worker = socket.socketpair()
    results = [duplicates.give(0, worker) for _ in range(2000)]
    assert results[0]
    assert not results[-1]
    duplicates.take()
    assert duplicates.give(0, worker)
    nginx.close()
    worker.close()
