"""The leader's view of all hosts: who has joined, who has done, who failed first.

Decides when the program starts on every host, and how the job ends. No sockets and no processes: messages
come in by `receive`, and what is to be sent is in `outbox`.

    from a host    join, beat, done, failed, stop
                   ready: the leader's helpers
                   ended: one of its ranks; waiting: its ranks use no CPU time, or with None they do
    to a host      start, stop, end, run: what the leader's launcher starts there
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from mlberth._typing import typing
from mlberth.errors import ContractError
from mlberth_train.ranks.plan import Plan, Record

Message = dict[str, typing.Any]
SETTLE_SECONDS = 1.5
"""How long other ranks may take to report, before it is decided which one failed first."""
MISSED_SECONDS = 0.1
"""By how much the others may be before a rank that was killed: less than launchers wait until they kill."""


class Coordinator:
    """Collects what hosts report, and decides for all of them."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._began = clock()
        self._processes: dict[str, int] = {}
        """How many ranks each host has that has joined."""
        self._helping: set[str] = set()
        """The hosts without which others cannot go on, whether their own ranks have ended or not."""
        self._started: set[str] = set()
        self._is_ready = not any(helper.tells for helper in plan.helpers)
        """Whether the leader's helpers are, without which no rank can begin."""
        self._done: set[str] = set()
        self._gone: set[str] = set()
        self._failures: list[Record] = []
        self._settled_at: float | None = None
        self._stopping = False
        self._ends: list[tuple[str, int | None]] = []
        """The ranks that have ended, each with its host, whether they are started anew or not."""
        self._ended_at = 0.0
        self._waiting: dict[str, tuple[float, list[int]]] = {}
        """The hosts whose ranks use no CPU time: since when, and which ranks."""
        self.ended = False
        self.outbox: list[tuple[str | None, Message]] = []
        """Messages to send, each to one host or, with None, to all."""
        self.notes: list[str] = []
        """Lines for the log."""

    def receive(self, host: str, message: Message) -> None:
        """Take in what a host reports."""
        kind = message.get("kind")
        if kind == "join":
            self._join(host, message)
        elif kind == "failed":
            self._failed(Record.of(message["record"]))
        elif kind == "stop" and not self._stopping:
            self._stopping = True
            self.outbox.append((None, {"kind": "stop", "signal": message["signal"], "host": host}))
        elif kind == "run" and host == self._plan.leader:
            self._run(message)
        elif kind == "done":
            self._done.add(host)
            if self._processes.get(host):
                self._rank_ended(host, None)
        elif kind == "ready":
            self._is_ready = True
        elif kind == "ended":
            self._rank_ended(host, message["rank"])
        elif kind == "waiting":
            self._note_waiting(host, message["ranks"])
        self.tick()

    def stranger(self, host: str, job: str) -> list[str]:
        """Return why a host may not join, as a fault; that does this job no harm."""
        action = "Give all hosts of a job the same configuration, and each its own current_host."
        if job != self._plan.job or host not in self._plan.hosts:
            found = f"another job, or another list of hosts than {self._plan.leader} has"
            return [f"host {host}", found, "the same job on every host", action]
        if host in self._processes and host not in self._gone:
            return [f"host {host}", "a second host of this name", "each name once", action]
        return []

    def lost(self, host: str, why: str) -> None:
        """Take in that a host has left without a word."""
        is_needed = host not in self._done or host in self._helping
        if host not in self._processes or not is_needed or self.ended:
            return
        self._gone.add(host)
        left = sorted(self._processes.keys() - self._gone)
        if len(left) >= self._plan.min_hosts and not self._stopping:
            self.notes.append(f"Host {host} is gone: {why}; the job goes on with {', '.join(left)}")
            self._rank_ended(host, None)
        else:
            action = f"Look at the log of {host}, whether it was killed or cut off."
            fault = [f"host {host}", why, "a host that takes part to the end", action]
            self._failed(Record(host, lost=True, fault=fault))
        self.tick()

    def tick(self) -> None:
        """Decide what can be decided by now."""
        if self.ended:
            return
        waited = self._clock() - self._began
        missing = [host for host in self._plan.hosts if host not in self._processes]
        if not self._started and missing and waited > self._plan.wait and not self._enough:
            found = f"{', '.join(missing)} not there after {self._plan.wait:g} s"
            where = f"port {self._plan.port} of {self._plan.leader}"
            action = (
                f"See whether these hosts run `train` and reach {where}, or set SAGEMAKER_HOST_WAIT_SECONDS."
            )
            self._end(Record(missing[0], fault=[self._plan.source, found, "that every host joins", action]))
        elif self._enough and not self._failures:
            self._start()
        if self._failures and (self._all_done or self._settled):
            self._end(_first(self._failures))
        elif self._all_done:
            self._end(None)
        elif waiting := self._wait_for_nobody():
            self._end(waiting)

    @property
    def _enough(self) -> bool:
        return len(self._processes.keys() - self._gone) >= self._plan.min_hosts

    @property
    def _all_done(self) -> bool:
        taking_part = self._started - self._gone
        return bool(taking_part) and taking_part <= self._done

    @property
    def _settled(self) -> bool:
        # While ranks save what they have, the failure of one of them ends no other.
        return self._settled_at is not None and self._clock() >= self._settled_at and not self._stopping

    def _join(self, host: str, message: Message) -> None:
        counts = {**self._processes, host: message["processes"]}
        if self._plan.equal and len(set(counts.values())) > 1:
            found = ", ".join(f"{count} on {name}" for name, count in counts.items())
            action = "Set SAGEMAKER_PROCESSES_PER_HOST, or use hosts of one kind."
            fault = ["processes a host", found, f"as many on each ({self._plan.launcher})", action]
            self._failed(Record(host, returncode=ContractError.exit_code, fault=fault))
        self._gone.discard(host)
        self._done.discard(host)
        self._started.discard(host)
        self._waiting.pop(host, None)
        self._processes[host] = message["processes"]
        if message.get("helps"):
            self._helping.add(host)

    def _start(self) -> None:
        left = self._processes.keys() - self._gone - self._started
        if not left:
            return
        size = sum(self._processes.values())
        if not size:
            action = (
                "Look at the channel of each host; a small data set is better replicated (FullyReplicated)."
            )
            fault = ["the channels of all hosts", "no file", "data on one host at least", action]
            self._end(Record(self._plan.leader, returncode=ContractError.exit_code, fault=fault))
            return
        first = 0
        for host in self._plan.hosts:
            may_start = self._is_ready or host == self._plan.leader
            if may_start and host in left:
                self._started.add(host)
                self.outbox.append((host, {"kind": "start", "first": first, "size": size}))
            first += self._processes.get(host, 0)

    def _run(self, message: Message) -> None:
        """Hand on what the leader's launcher starts on a host; one that is unknown would keep it waiting."""
        host = message["host"]
        if host in self._plan.hosts:
            self.outbox.append((host, {"kind": "run", "argv": message["argv"]}))
            return
        action = "Give the hosts the names that the launcher has for them."
        expected = f"one of {', '.join(self._plan.hosts)}"
        fault = [f"the launcher {self._plan.launcher}", f"the host {host}", expected, action]
        self._failed(Record(self._plan.leader, fault=fault))

    def _rank_ended(self, host: str, rank: int | None) -> None:
        self._ends.append((host, rank))
        self._ended_at = self._clock()

    def _note_waiting(self, host: str, ranks: list[int] | None) -> None:
        self._waiting.pop(host, None)
        if ranks is not None:
            self._waiting[host] = self._clock(), ranks

    def _wait_for_nobody(self) -> Record | None:
        """Return what is wrong if a rank has ended, and since then no other does anything.

        Its library should have told them. Where it has not, they wait for ever: gloo while it connects, or a
        program that waits for a file. A rank that computes, on any host, is a reason to wait for.
        """
        left = self._started - self._gone - self._done
        if (
            not (self._plan.patience and self._ends and left)
            or self._stopping
            or not left <= self._waiting.keys()
        ):
            return None
        since = max(self._ended_at, *(self._waiting[host][0] for host in left))
        if self._clock() - since < self._plan.patience:
            return None
        where = [(host, rank) for host in sorted(left) for rank in self._waiting[host][1]]
        host, rank = where[0] if where else (min(left), None)
        found = f"no CPU time used for {self._plan.patience:g} s, after {_named(*self._ends[0])} had ended"
        action = (
            "It seems to wait for a rank that is no more: see why that one ended. If such waits are right, "
            "set SAGEMAKER_LAUNCHER_HANG_SECONDS."
        )
        return Record(
            host, rank=rank, fault=[_named(host, rank), found, "a rank that goes on, or ends", action]
        )

    def _failed(self, record: Record) -> None:
        self._failures.append(record)
        if record.lost or record.ranks == 1 or not self._started:
            self._settled_at = self._clock()  # nothing can be known better
        elif self._settled_at is None:
            self._settled_at = self._clock() + SETTLE_SECONDS
        reported = {failure.rank for failure in self._failures}
        if record.ranks and len(reported) >= record.ranks:
            self._settled_at = self._clock()

    def _end(self, record: Record | None) -> None:
        self.ended = True
        self.outbox.append((None, {"kind": "end", "record": record._asdict() if record else None}))


def _named(host: str, rank: int | None) -> str:
    return f"the ranks on {host}" if rank is None else f"rank {rank} on {host}"


def _first(failures: Iterable[Record]) -> Record:
    """Return the failure that explains the others: the one that began first.

    A lost host makes the ranks of others fail, unless it was one of its own ranks that took it along. What
    has started the ranks fails with them. A rank that was killed is missed by others as soon as by its host.
    """
    failures = list(failures)
    own = [failure for failure in failures if failure.rank is not None and not failure.stopped_by]
    failing = {failure.host for failure in own}
    lost = [failure for failure in failures if failure.lost and failure.host not in failing]
    faults = [failure for failure in failures if failure.fault]
    causes = [failure for failure in failures if failure.is_cause]
    candidates = lost or causes or own or faults or failures
    first = min(failure.time for failure in candidates)
    return min(
        candidates, key=lambda one: (not one.was_killed or one.time > first + MISSED_SECONDS, one.time)
    )
