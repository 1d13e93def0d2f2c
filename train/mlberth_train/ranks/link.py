"""The link between the agents of all hosts: each worker to the leader, over TCP.

A lost connection, or one without a word for a while, is a lost host. Nothing here waits: `step` is called
several times a second, and returns the messages for this host.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

from mlberth._typing import TYPE_CHECKING
from mlberth_train.ranks.connection import Connection, Message
from mlberth_train.ranks.coordinator import Coordinator
from mlberth_train.ranks.endpoints import Dialer, listen
from mlberth_train.ranks.metrics_tail import MetricsTail, append
from mlberth_train.ranks.plan import Plan, Record

if TYPE_CHECKING:
    from typing import Protocol

    class Link(Protocol):
        """What an agent says to the coordinator, and hears from it."""

        def step(self) -> list[Message]:
            """Return the messages that have arrived for this host."""

        def send(self, message: Message) -> None:
            """Report something of this host."""

        def send_metrics(self, *, to_the_end: bool = False) -> bool:
            """Hand this host's new metrics to the leader, as the network takes them; return whether any."""

        def close(self) -> None:
            """End the link; the last messages are still delivered."""


_JOIN_SECONDS = 10.0
"""How long a connection may be open before it says which host it is."""
_LINGER_SECONDS = 2.0
_SYNCHRONOUS_SECONDS = 1.0
"""Clocks that seem to differ by less are the same: a message takes as long to be read."""


class LeaderLink:
    """The leader's end: it has the coordinator, and a connection from each worker.

    Raises PortInUseError and PlatformError if it cannot listen.
    """

    def __init__(self, plan: Plan, coordinator: Coordinator, note: Callable[[str], None]) -> None:
        self._plan = plan
        self._coordinator = coordinator
        self._note = note
        self._listener = listen(plan.leader, plan.port) if len(plan.hosts) > 1 else None
        self._workers: dict[str, Connection] = {}
        self._offsets: dict[str, float] = {}
        """How much the leader's clock is ahead of a worker's; the least that was seen."""
        self._strangers: dict[Connection, float] = {}

    def step(self) -> list[Message]:
        """Move all messages, and return those for the leader's own host."""
        if self._listener:
            self._accept(self._listener)
        for host, worker in list(self._workers.items()):
            for message in worker.step():
                self._receive(host, worker, message)
            if worker.problem:
                worker.close()
                del self._workers[host]
                self._coordinator.lost(host, worker.problem)
        self._coordinator.tick()
        return self._deliver()

    def send(self, message: Message) -> None:
        """Report something of the leader's own host."""
        self._coordinator.receive(self._plan.host, message)

    def send_metrics(self, *, to_the_end: bool = False) -> bool:  # noqa: ARG002 - as a worker's
        """Return False: the leader's own metrics are where they belong."""
        return False

    def close(self) -> None:
        """Close every connection; the last messages are still delivered."""
        self._deliver()
        for connection in [*self._workers.values(), *self._strangers]:
            connection.close(_LINGER_SECONDS)
        if self._listener:
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            while True:
                connection = Connection(listener.accept()[0])
                self._strangers[connection] = time.monotonic() + _JOIN_SECONDS
        except OSError:  # nobody more, or one that has left at once
            pass
        for connection, deadline in list(self._strangers.items()):
            messages = connection.step()
            if messages and _is_join(messages[0]):
                del self._strangers[connection]
                self._join(connection, messages)
            elif messages or connection.problem or time.monotonic() > deadline:
                del self._strangers[connection]
                connection.close()

    def _join(self, connection: Connection, messages: list[Message]) -> None:
        host = messages[0]["host"]
        problem = self._coordinator.stranger(host, messages[0]["job"])
        if problem:
            self._note(f"Refused {host}: {problem[1]}")
            connection.send({"kind": "end", "record": Record(host, fault=problem)._asdict()})
            connection.close(_LINGER_SECONDS)
            return
        self._workers[host] = connection
        for message in messages:
            self._receive(host, connection, message)

    def _receive(self, host: str, worker: Connection, message: Message) -> None:
        try:
            if message["kind"] == "beat":
                offset = time.time() - message["time"]
                self._offsets[host] = min(self._offsets.get(host, offset), offset)
                return
            if message["kind"] == "metrics":
                append(Path(self._plan.metrics), map(str, message["lines"]))
                return
            if message["kind"] == "failed":
                offset = self._offsets.get(host, 0.0)
                moved = message["record"]["time"] + (offset if abs(offset) > _SYNCHRONOUS_SECONDS else 0.0)
                message = {**message, "record": {**message["record"], "time": moved}}
            self._coordinator.receive(host, message)
        except (LookupError, TypeError, ValueError):
            worker.problem = "something that is no message of `train`"

    def _deliver(self) -> list[Message]:
        """Send what the coordinator has decided; return what is for this host."""
        own = []
        for note in self._coordinator.notes:
            self._note(note)
        self._coordinator.notes.clear()
        for host, message in self._coordinator.outbox:
            for name, worker in self._workers.items():
                if host in (None, name):
                    worker.send(message)
            if host in (None, self._plan.host):
                own.append(message)
        self._coordinator.outbox.clear()
        return own


class WorkerLink:
    """A worker's end: one connection to the leader, tried for again until the leader is there."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dialer = Dialer(plan.leader, plan.port, plan.wait)
        self._metrics = MetricsTail(Path(plan.metrics)) if plan.metrics else None
        self._leader: Connection | None = None
        self._has_ended = False

    def step(self) -> list[Message]:
        """Move all messages, and return those that have arrived."""
        if self._leader is None and not self._connect():
            return [self._lost(self._dialer.problem)] if self._dialer.problem else []
        assert self._leader
        messages = [message for message in self._leader.step() if message.get("kind") != "beat"]
        self._has_ended |= any(message.get("kind") == "end" for message in messages)
        if self._leader.problem and not self._has_ended:
            messages.append(self._lost(self._leader.problem))
        return messages

    def send(self, message: Message) -> None:
        """Report something to the leader, if there is one."""
        if self._leader:
            self._leader.send(message)

    def send_metrics(self, *, to_the_end: bool = False) -> bool:
        """Hand this host's new metrics to the leader, as the network takes them; return whether any."""
        has_sent = False
        while self._leader and self._metrics and (to_the_end or not self._leader.is_congested):
            if not (lines := self._metrics.read()):
                break
            self._leader.send({"kind": "metrics", "lines": lines})
            has_sent = True
        return has_sent

    def close(self) -> None:
        """Close the connection; the last messages are still delivered."""
        if self._leader:
            self._leader.close(_LINGER_SECONDS)

    def _connect(self) -> bool:
        if self._dialer.sock is None:
            return False
        plan = self._plan
        self._leader = Connection(self._dialer.sock)
        # The clock first: a record may follow at once.
        self._leader.send({"kind": "join", "host": plan.host, "job": plan.job, **plan.contribution})
        self._leader.send({"kind": "beat", "time": time.time()})
        return True

    def _lost(self, why: str) -> Message:
        leader = self._plan.leader
        action = (
            f"Look at the log of {leader}, the leader, and whether port {self._plan.port} can be reached."
        )
        record = Record(leader, fault=[f"host {leader}", why, "a leader that takes part to the end", action])
        return {"kind": "end", "record": record._asdict()}


def _is_join(message: Message) -> bool:
    types = {"host": str, "job": str, "processes": int}
    return message.get("kind") == "join" and all(
        isinstance(message.get(name), type_) for name, type_ in types.items()
    )
