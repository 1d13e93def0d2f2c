"""Hosts that have ended their work, and others that have not found them yet."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import free_port, wait_until
from tests.train.hosts import cabled, end_all
from tests.train.running import Tree, ended

from mlberth.process.signals import SignalQueue
from mlberth_train.launch.presence import Presence
from mlberth_train.log import Log

HOSTS = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


class Group:
    """The hosts of one job, as threads of this process; each says where it is on another network."""

    def __init__(self, printed: Path, signals: SignalQueue) -> None:
        self.signals = signals
        self.port = free_port()
        self.printed = printed
        self.ended: dict[str, threading.Event] = {}

    def make(self, current: str, limit: float = 60) -> Presence:
        """Return the presence of one host."""
        return Presence(
            HOSTS, current, "job", self.port, limit, address=lambda host: host.replace("127.", "10.")
        )

    def work(self, current: str, limit: float = 60) -> None:
        """Begin the work of a host, which has succeeded at once."""
        presence, ended = self.make(current, limit), threading.Event()
        presence.start()
        self.ended[current] = ended

        def wait() -> None:
            with self.printed.open("ab") as sink:
                presence.wait(self.signals, Log(sink=sink.fileno()))
            ended.set()

        threading.Thread(target=wait, daemon=True).start()

    def wait_for_log(self, text: str) -> None:
        """Wait until a host has said something."""
        wait_until(lambda: text in self.printed.read_text(), timeout=30)


@pytest.fixture
def signals() -> Iterator[SignalQueue]:
    """Return a queue that collects signals of this process."""
    with SignalQueue() as queue:
        yield queue


@pytest.fixture
def group(tmp_path: Path, signals: SignalQueue) -> Iterator[Group]:
    """Return a job none of whose hosts has begun."""
    (tmp_path / "log").touch()
    made = Group(tmp_path / "log", signals)
    yield made
    assert all(ended.wait(60) for ended in made.ended.values())


def test_nobody_ends_before_all_are_there(group: Group) -> None:
    """They wait for the last one; later, one that is started anew waits for nobody."""
    group.work(HOSTS[0])
    group.work(HOSTS[1])
    wait_until(lambda: group.printed.read_text().count(" have found it, for at most ") == 2, timeout=30)
    assert not any(ended.is_set() for ended in group.ended.values())
    group.work(HOSTS[2])
    assert all(ended.wait(30) for ended in group.ended.values())
    group.work(HOSTS[1])
    assert group.ended[HOSTS[1]].wait(30)


def test_leader_takes_nobody_else_for_a_host(group: Group) -> None:
    """A host of another job, and what is no host, are sent away at once."""
    group.work(HOSTS[0])
    group.wait_for_log(f"until {HOSTS[1]}, {HOSTS[2]} have found it")
    for word in (json.dumps({"host": HOSTS[1], "job": "another"}), "GET / HTTP/1.1", "[]", "{}"):
        with socket.create_connection((HOSTS[0], group.port), timeout=30) as connection:
            connection.sendall(word.encode() + b"\n")
            assert connection.recv(1) == b""
    assert not group.ended[HOSTS[0]].is_set()
    for host in HOSTS[1:]:
        group.work(host)
    assert group.ended[HOSTS[0]].wait(30)


def test_host_whose_leader_has_ended_does_not_wait(group: Group) -> None:
    """A leader that fails ends at once: so may the others."""
    with socket.create_server((HOSTS[0], group.port)) as leader:
        group.work(HOSTS[1])
        connection, _ = leader.accept()
        connection.close()
    assert group.ended[HOSTS[1]].wait(30)


def test_wait_has_a_limit(group: Group) -> None:
    """Hosts that never come keep nobody for longer than these would have waited."""
    for host in HOSTS[:2]:
        group.work(host, limit=0.3)
    assert all(ended.wait(30) for ended in group.ended.values())


def test_port_in_use_keeps_nobody(group: Group) -> None:
    """The job ends as if there were no such care."""
    with socket.create_server((HOSTS[0], group.port)):
        group.work(HOSTS[0])
        assert group.ended[HOSTS[0]].wait(30)


def test_stop_ends_the_wait(group: Group) -> None:
    """Whoever stops the host does not wait for the others."""
    leader = group.make(HOSTS[0])
    leader.start()
    os.kill(os.getpid(), signal.SIGTERM)
    with group.printed.open("wb") as sink:
        leader.wait(group.signals, Log(sink=sink.fileno()))


def test_hosts_of_one_machine_are_not_waited_for(tree: Tree) -> None:
    """Their names stay whoever ends."""
    hosts = {"current_host": "127.0.0.2", "hosts": ["127.0.0.2", "127.0.0.3"]}
    tree.code(train__py="print('ran')").config(resourceconfig=hosts)
    run = tree.train(SAGEMAKER_HOST_WAIT_SECONDS="900", SAGEMAKER_LAUNCHER_PORT=str(free_port()))
    assert (run.code, run.out) == (0, "ran\n")
    assert "Keeping this host's name" not in run.err


def test_host_that_is_done_keeps_its_name_for_a_late_one(tmp_path: Path) -> None:
    """Without a launcher: the first host succeeds before the second has begun."""
    commands = []
    with cabled() as networks:
        trees = [Tree(tmp_path / name).code(train__py="print('ran')") for name in networks.names]
        logs = [tmp_path / f"{name}.log" for name in networks.names]

        def start(number: int) -> None:
            hosts = {"current_host": networks.names[number], "hosts": networks.names}
            trees[number].config(resourceconfig=hosts)
            inside = networks.inside(number)
            with logs[number].open("wb") as sink:
                commands.append(trees[number].start(inside, sink.fileno(), SAGEMAKER_HOST_WAIT_SECONDS="300"))

        try:
            start(0)
            kept = f"Keeping this host's name until {networks.names[1]} have found it"
            wait_until(lambda: kept in logs[0].read_text(), timeout=60)
            assert trees[0].layout.success.exists()
            assert commands[0].poll() is None
            start(1)
            ends = [ended(command) for command in commands]
        finally:
            end_all(commands)
    assert [(end.code, end.out) for end in ends] == [(0, "ran\n"), (0, "ran\n")]
