"""The leader's decisions, without sockets and processes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mlberth_train.ranks.coordinator import Coordinator
from mlberth_train.ranks.plan import Helper, Plan, Record

HOSTS = ["a", "b", "c"]
PLAN = Plan(
    folder="",
    launcher="torchrun",
    host="a",
    hosts=HOSTS,
    processes=1,
    equal=False,
    port=1,
    wait=10.0,
    grace=1.0,
    patience=15.0,
    min_hosts=3,
    restarts=0,
    collapse=False,
    program=[],
    code="",
    pythonpath="",
    argv=[],
    environs=[],
    helpers=[],
    counted={},
    job="job",
)


class Hosts:
    """A coordinator, its time, and what it has said since one looked last."""

    def __init__(self, *, joined: bool = True, **plan: Any) -> None:
        self.now = 0.0
        self.coordinator = Coordinator(PLAN._replace(**plan), clock=lambda: self.now)
        if joined:
            for host in HOSTS:
                self.say(host, "join", processes=1)
            assert self.heard() == [("start", host) for host in HOSTS]

    def say(self, host: str, kind: str, **fields: Any) -> None:
        """Send a message as a host."""
        self.coordinator.receive(host, {"kind": kind, **fields})

    def fail(self, host: str, rank: int, **fields: Any) -> None:
        """Report a rank's failure as a host."""
        record = Record(host, rank=rank, ranks=3, returncode=1)._replace(**fields)
        self.say(host, "failed", record=record._asdict())

    def heard(self) -> list[tuple[str, Any]]:
        """Return what was said: its kind, and to whom; of an end, the record or None."""
        said = sorted(self.coordinator.outbox, key=lambda entry: str(entry[0]))
        self.coordinator.outbox.clear()
        return [(message["kind"], message.get("record", host)) for host, message in said]

    def reason(self) -> Record:
        """Return the failure with which all have been ended."""
        ((kind, record),) = self.heard()
        assert kind == "end"
        return Record.of(record)

    def wait(self, seconds: float) -> None:
        """Let some time pass."""
        self.now += seconds
        self.coordinator.tick()


def test_program_starts_when_all_are_there() -> None:
    """No host runs anything before."""
    hosts = Hosts(joined=False)
    hosts.say("a", "join", processes=1)
    hosts.say("c", "join", processes=1)
    assert hosts.heard() == []
    hosts.say("b", "join", processes=1)
    assert hosts.heard() == [("start", "a"), ("start", "b"), ("start", "c")]


def test_missing_hosts_are_named() -> None:
    """The wait is bounded."""
    hosts = Hosts(joined=False)
    hosts.say("a", "join", processes=1)
    hosts.wait(11)
    fault = hosts.reason().fault
    assert fault
    assert fault[1] == "b, c not there after 10 s"


def test_success_is_everybodys() -> None:
    """The job ends when the last host has done."""
    hosts = Hosts()
    hosts.say("b", "done")
    hosts.say("a", "done")
    assert hosts.heard() == []
    hosts.say("c", "done")
    assert hosts.heard() == [("end", None)]


def test_the_first_failure_is_the_reason() -> None:
    """Reports may come in another order than the failures; others have a moment to report."""
    hosts = Hosts()
    hosts.fail("b", 1, time=5.2)
    hosts.wait(1)
    assert hosts.heard() == []
    hosts.fail("c", 2, time=5.0)
    hosts.wait(1)
    assert hosts.reason().rank == 2


@pytest.mark.parametrize(
    ("seconds", "returncode", "rank"),
    [(0.05, -9, 0), (0.2, -9, 1), (0.05, -6, 1)],
    ids=["killed", "later", "other"],
)
def test_killed_rank_is_the_reason_for_those_that_miss_it(seconds: float, returncode: int, rank: int) -> None:
    """Its neighbours may notice sooner than its host; what launchers kill after a failure comes later."""
    hosts = Hosts()
    hosts.fail("b", 1, time=5.0)
    hosts.fail("a", 0, time=5.0 + seconds, returncode=returncode)
    hosts.fail("c", 2, time=5.3)
    assert hosts.reason().rank == rank


def test_nobody_is_waited_for_if_all_ranks_have_failed() -> None:
    """There is nothing more to know."""
    hosts = Hosts()
    for rank, host in enumerate(HOSTS):
        hosts.fail(host, rank, time=9.0 - rank)
    assert hosts.reason().rank == 2


def test_lost_host_is_the_reason_for_others_failures() -> None:
    """Its ranks did not report, and those of others fail because of them."""
    hosts = Hosts()
    hosts.fail("a", 0, time=1.0)
    hosts.coordinator.lost("b", "it closed its connection")
    fault = hosts.reason().fault
    assert fault
    assert fault[:2] == ["host b", "it closed its connection"]


def test_rank_that_took_its_host_along_is_the_reason() -> None:
    """It says more than the loss."""
    hosts = Hosts()
    hosts.fail("b", 1)
    hosts.coordinator.lost("b", "it closed its connection")
    hosts.wait(2)
    assert hosts.reason().rank == 1


def test_elastic_job_goes_on_with_fewer_hosts() -> None:
    """A lost host is in the log, and is not waited for; it may come back."""
    hosts = Hosts(min_hosts=2)
    hosts.coordinator.lost("b", "it closed its connection")
    assert hosts.heard() == []
    assert "Host b is gone" in hosts.coordinator.notes[0]
    assert hosts.coordinator.stranger("b", "job") == []
    hosts.say("b", "join", processes=1)
    assert hosts.heard() == [("start", "b")]
    for host in HOSTS:
        hosts.say(host, "done")
    assert hosts.heard() == [("end", None)]


def test_stop_reaches_all_once_and_nobody_is_hurried() -> None:
    """While ranks save what they have, the failure of one of them ends no other."""
    hosts = Hosts()
    hosts.say("b", "stop", signal=15)
    hosts.say("c", "stop", signal=15)
    assert hosts.heard() == [("stop", None)]
    hosts.fail("c", 2, returncode=-15, stopped_by=15)
    hosts.say("c", "done")
    hosts.wait(100)
    assert hosts.heard() == []
    hosts.say("a", "done")
    hosts.say("b", "done")
    assert hosts.reason().stopped_by == 15


def test_ranks_that_wait_for_one_that_has_ended_are_given_up() -> None:
    """After an end, nobody on any host has used CPU time for a while."""
    hosts = Hosts()
    hosts.say("b", "ended", rank=1)
    hosts.say("b", "done")
    hosts.say("a", "waiting", ranks=[0])
    hosts.wait(10)
    hosts.say("c", "waiting", ranks=[2])
    hosts.wait(10)
    assert hosts.heard() == []
    hosts.wait(6)
    reason = hosts.reason()
    assert reason.fault
    assert (reason.host, reason.rank) == ("a", 0)
    assert reason.fault[:2] == ["rank 0 on a", "no CPU time used for 15 s, after rank 1 on b had ended"]


@pytest.mark.parametrize("why", ["it computes", "nobody has ended", "a stop", "never"])
def test_rank_that_goes_on_is_waited_for(why: str) -> None:
    """A rank that computes may do so for as long as it likes, and a stop has a limit of its own."""
    hosts = Hosts(patience=0.0 if why == "never" else 15.0)
    for host in HOSTS:
        hosts.say(host, "waiting", ranks=[0])
    if why != "nobody has ended":
        hosts.say("b", "ended", rank=1)
    if why == "it computes":
        hosts.wait(14)
        hosts.say("c", "waiting", ranks=None)
    if why == "a stop":
        hosts.say("b", "stop", signal=15)
        hosts.heard()
    hosts.wait(1000)
    assert hosts.heard() == []


def test_ranks_are_waited_for_from_the_last_end_on() -> None:
    """Those that have waited for a long computation are not to blame the moment that it is done."""
    hosts = Hosts()
    for host in HOSTS:
        hosts.say(host, "waiting", ranks=[0])
    hosts.wait(1000)
    hosts.say("b", "ended", rank=1)
    hosts.wait(14)
    assert hosts.heard() == []
    hosts.wait(2)
    assert hosts.reason().fault


def test_ranks_are_counted_over_the_hosts_that_have_some() -> None:
    """A host without any has done its part at once, and nobody waits in vain for its ranks."""
    hosts = Hosts(joined=False)
    for host, processes in zip(HOSTS, (0, 2, 1), strict=True):
        hosts.say(host, "join", processes=processes)
    starts = [message for _, message in hosts.coordinator.outbox]
    assert [(start["first"], start["size"]) for start in starts] == [(0, 3), (0, 3), (2, 3)]
    hosts.heard()
    hosts.say("a", "done")
    for host in HOSTS[1:]:
        hosts.say(host, "waiting", ranks=[0])
    hosts.wait(1000)
    assert hosts.heard() == []


def test_ranks_begin_when_the_leaders_helper_is_ready() -> None:
    """The leader starts it, and says so."""
    hosts = Hosts(joined=False, helpers=[Helper("tracker", [], tells=True)])
    for host in HOSTS:
        hosts.say(host, "join", processes=1)
    assert hosts.heard() == [("start", "a")]
    hosts.say("a", "ready")
    assert hosts.heard() == [("start", "b"), ("start", "c")]


def test_host_that_helps_is_needed_to_the_end() -> None:
    """Its own ranks may have ended, or it has none."""
    hosts = Hosts(joined=False)
    for host in HOSTS:
        hosts.say(host, "join", processes=int(host != "b"), helps=host == "b")
    hosts.heard()
    for host in "bc":
        hosts.say(host, "done")
    hosts.coordinator.lost("c", "it closed its connection")
    assert hosts.heard() == []
    hosts.coordinator.lost("b", "it closed its connection")
    assert (hosts.reason().fault or [])[0] == "host b"


def test_helper_that_has_ended_is_the_reason() -> None:
    """Ranks fail because of it, and may say so first."""
    hosts = Hosts()
    hosts.fail("a", 0, time=1.0)
    fault = ["tracker on a", "killed", "", ""]
    hosts.say("a", "failed", record=Record("a", fault=fault, time=2.0, is_cause=True)._asdict())
    hosts.wait(2)
    assert hosts.reason().fault == fault


def test_strangers_are_refused() -> None:
    """Another job, a host of no list, and a second host of a name."""
    coordinator = Hosts().coordinator
    assert "another job" in coordinator.stranger("b", "other")[1]
    assert "another list" in coordinator.stranger("d", "job")[1]
    assert "a second host" in coordinator.stranger("b", "job")[1]


def test_a_thousand_hosts_are_no_work() -> None:
    """What the leader does for one message grows slower than the number of hosts: it has all of theirs."""
    hosts = [f"host-{number}" for number in range(1000)]
    coordinator = Coordinator(PLAN._replace(hosts=hosts, host=hosts[0], min_hosts=len(hosts)))
    began = time.process_time()
    for kind in ("join", "waiting", "done"):
        for host in hosts:
            coordinator.receive(host, {"kind": kind, "processes": 8, "ranks": None})
    assert coordinator.ended
    assert time.process_time() - began < 3  # a fifth of a second; once it was half a minute
    assert sum(message["kind"] == "start" for _, message in coordinator.outbox) == len(hosts)


def test_daemon_for_an_unknown_host_is_a_failure() -> None:
    """Its launcher would wait for it without end."""
    hosts = Hosts(launcher="mpi")
    hosts.coordinator.receive("a", {"kind": "run", "host": "b", "argv": ["orted"]})
    assert hosts.heard() == [("run", "b")]
    hosts.coordinator.receive("a", {"kind": "run", "host": "b.service", "argv": ["orted"]})
    hosts.wait(2)
    assert hosts.reason().fault == [
        "the launcher mpi",
        "the host b.service",
        "one of a, b, c",
        "Give the hosts the names that the launcher has for them.",
    ]
