"""How many connections a worker keeps."""

from __future__ import annotations

import select
import socket

import pytest
from gunicorn.config import Config

from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.keepalive import ConnectionPool
from mlberth_serve.worker.revocation import ConnectionRevoker


@pytest.mark.parametrize(
    ("seconds", "maximum"), [(0.1, 1), (0.011, 1), (0.0018, 5), (0.0001, MAX_KEPT_CONNECTIONS)]
)
def test_as_many_as_are_answered_in_a_moment(seconds: float, maximum: int) -> None:
    """Ten milliseconds; where one takes longer, one."""
    with select.epoll() as poll:
        pool = ConnectionPool(poll, None)
        for _ in range(100):
            pool.note(seconds)
        assert pool.maximum == maximum


@pytest.mark.parametrize(("seconds", "maximum"), [(0.1, 1), (0.008, MAX_KEPT_CONNECTIONS)])
def test_requests_that_share_a_call_wait_for_all_of_it(seconds: float, maximum: int) -> None:
    """What comes while the model predicts for 32 others waits until it has."""
    with select.epoll() as poll:
        pool = ConnectionPool(poll, None)
        for _ in range(100):
            pool.note(seconds, 32)
        assert (pool.maximum, pool.is_quick) == (maximum, maximum > 1)


def test_slow_first_request_does_not_count_for_long() -> None:
    """Libraries start up in it."""
    with select.epoll() as poll:
        pool = ConnectionPool(poll, None)
        pool.note(1.0)
        assert pool.maximum == 1
        for _ in range(100):
            pool.note(0.0001)
        assert pool.maximum == MAX_KEPT_CONNECTIONS


def test_there_is_a_place_for_each() -> None:
    """Behind nginx one without a place, is closed; a place that comes free is taken."""
    duplicates = ConnectionRevoker()
    with select.epoll() as poll:
        pool = ConnectionPool(poll, duplicates)
        pairs = [socket.socketpair() for _ in range(MAX_KEPT_CONNECTIONS + 2)]
        made = [Connection(worker, "", "", Config(), collect=False) for _, worker in pairs]
        for connection in made[: MAX_KEPT_CONNECTIONS + 1]:
            pool.hold(connection)
        assert len(pool) == MAX_KEPT_CONNECTIONS
        assert {connection.bit for connection in pool} == {
            1 << place for place in range(MAX_KEPT_CONNECTIONS)
        }
        assert pairs[MAX_KEPT_CONNECTIONS][0].recv(1) == b""
        bit = made[3].bit
        pool.drop(made[3])
        pool.hold(made[-1])
        assert made[-1].bit == bit
        for connection in pool:
            pool.drop(connection)
    duplicates.close()
    for nginx, _ in pairs:
        nginx.close()
