"""When a connection is kept or closed, how many are, and the pool of those that are open."""

from __future__ import annotations

import select
import socket

import pytest
from gunicorn.config import Config

from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.wsgi_environ import base_environ
from mlberth_serve.worker.keepalive import ConnectionPool, KeepAlivePolicy
from mlberth_serve.worker.revocation import ConnectionRevoker


def learnt(seconds: float, requests: int = 1, *, enabled: bool = True, nginx: bool = True) -> KeepAlivePolicy:
    """Return the policy of a worker whose calls have taken so long, with so many requests in each."""
    policy = KeepAlivePolicy(enabled=enabled, behind_nginx=nginx)
    for _ in range(100):
        policy.learn(seconds, requests)
    return policy


@pytest.mark.parametrize(
    ("seconds", "requests", "allowance", "maximum"),
    [
        (0.1, 1, 1, 1),
        (0.011, 1, 1, 1),
        (0.0099, 1, 1, 1),
        (0.0018, 1, 1, 5),
        (0.0001, 1, 1, MAX_KEPT_CONNECTIONS),
        # What comes while the model predicts for 32 others waits until it has.
        (0.1, 32, 1, 1),
        (0.1, 32, 32, 1),
        (0.008, 32, 1, MAX_KEPT_CONNECTIONS),
        # As many as share a call may wait for it, if the call is quick.
        (0.008, 1, 8, 8),
        (0.011, 1, 8, 1),
        (0.0018, 1, 3, 5),
        (0.0018, 1, 1000, MAX_KEPT_CONNECTIONS),
    ],
)
def test_as_many_as_are_answered_in_a_moment(
    seconds: float, requests: int, allowance: int, maximum: int
) -> None:
    """Those that are answered within ten milliseconds; if one call takes longer, one."""
    policy = learnt(seconds, requests)
    assert policy.max_kept(allowance) == maximum
    assert [policy.excess(kept, allowance) for kept in (0, maximum - 1, maximum, maximum + 2)] == [0, 0, 1, 3]


QUICK, FIVE, SLOW = 0.0001, 0.0018, 0.1


@pytest.mark.parametrize(
    ("seconds", "others", "waiting", "served", "kept"),
    [
        # Slow predictions: one connection, and only while no other waits for any worker.
        (SLOW, 0, False, 1, True),
        (SLOW, 0, True, 1, False),
        (SLOW, 1, False, 1, False),
        (SLOW, 0, False, 64, True),
        # Quick ones: up to the maximum, whether others wait or not; one in 64 requests moves its connection.
        (FIVE, 4, False, 1, True),
        (FIVE, 4, True, 1, True),
        (FIVE, 5, False, 1, False),
        (FIVE, 0, False, 64, False),
        (FIVE, 0, False, 65, True),
        (FIVE, 0, False, 128, False),
        (QUICK, MAX_KEPT_CONNECTIONS - 1, True, 63, True),
        (QUICK, MAX_KEPT_CONNECTIONS, True, 63, False),
    ],
)
def test_behind_nginx(seconds: float, others: int, waiting: bool, served: int, kept: bool) -> None:
    """A connection stays while what arrives on it is soon answered; never in a worker that ends."""
    policy = learnt(seconds)

    def may_keep(*, alive: bool) -> bool:
        return policy.may_keep(
            alive=alive, others=others, served=served, batch_allowance=1, is_waited_for=lambda: waiting
        )

    assert may_keep(alive=True) is kept
    assert not may_keep(alive=False)


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
@pytest.mark.parametrize(
    ("enabled", "nginx", "alive", "kept"),
    [
        (True, False, True, True),
        (True, False, False, False),
        (False, False, True, False),
        (False, True, True, False),
    ],
)
def test_without_nginx_the_clients_decide(
    seconds: float,
    enabled: bool,
    nginx: bool,
    alive: bool,
    kept: bool,
) -> None:
    """However many there are and whoever waits; without keep-alive, and in a worker that ends, none stays."""
    policy = learnt(seconds, enabled=enabled, nginx=nginx)
    assert kept is policy.may_keep(
        alive=alive, others=0 if nginx else 500, served=64, batch_allowance=1, is_waited_for=lambda: not nginx
    )


def test_the_backlog_is_looked_at_only_if_it_matters() -> None:
    """To look costs a system call, and quick predictions do without."""

    def look() -> bool:
        raise AssertionError

    policy = learnt(QUICK)
    assert policy.may_keep(alive=True, others=3, served=1, batch_allowance=1, is_waited_for=look)
    assert not learnt(SLOW).may_keep(alive=True, others=3, served=1, batch_allowance=1, is_waited_for=look)


def test_slow_first_request_does_not_count_for_long() -> None:
    """Libraries start up in it."""
    policy = KeepAlivePolicy(enabled=True, behind_nginx=True)
    assert policy.max_kept(1) == 1
    policy.learn(1.0)
    assert policy.max_kept(1) == 1
    for _ in range(100):
        policy.learn(0.0001)
    assert policy.max_kept(1) == MAX_KEPT_CONNECTIONS


def test_a_kept_connection_is_not_one_beside_itself() -> None:
    """The pool counts the others for the policy, and asks for the queue only if it matters."""
    waiting = [False]
    with select.epoll() as poll:
        pool = ConnectionPool(poll, None, learnt(SLOW), lambda: waiting[0])
        pairs = [socket.socketpair() for _ in range(2)]
        base = base_environ(Config())
        kept, new = [Connection(worker, "", "", Config(), base, collect=False) for _, worker in pairs]
        pool.add(kept)
        assert pool.may_keep(kept, 1, 1, alive=True)
        assert not pool.may_keep(new, 1, 1, alive=True)
        assert pool.excess(1) == 1
        waiting[0] = True
        assert not pool.may_keep(kept, 1, 1, alive=True)
        for connection in (kept, new):
            pool.drop(connection)
    for nginx, _ in pairs:
        nginx.close()


def test_there_is_a_slot_for_each() -> None:
    """Behind nginx one without a slot is closed; a slot that comes free is taken."""
    revoker = ConnectionRevoker()
    with select.epoll() as poll:
        pool = ConnectionPool(poll, revoker, learnt(SLOW))
        pairs = [socket.socketpair() for _ in range(MAX_KEPT_CONNECTIONS + 2)]
        base = base_environ(Config())
        made = [Connection(worker, "", "", Config(), base, collect=False) for _, worker in pairs]
        for connection in made[: MAX_KEPT_CONNECTIONS + 1]:
            pool.keep(connection)
        assert len(pool) == MAX_KEPT_CONNECTIONS
        assert {connection.mask for connection in pool} == {1 << slot for slot in range(MAX_KEPT_CONNECTIONS)}
        assert pairs[MAX_KEPT_CONNECTIONS][0].recv(1) == b""
        mask = made[3].mask
        pool.drop(made[3])
        pool.keep(made[-1])
        assert made[-1].mask == mask
        for connection in pool:
            pool.drop(connection)
        assert not pool.by_number
    revoker.close()
    for nginx, _ in pairs:
        nginx.close()
