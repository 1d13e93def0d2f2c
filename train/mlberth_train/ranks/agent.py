"""The agent of one host: starts what the launcher says, and ends it when the job ends, here or elsewhere.

All hosts get the same verdict: the job has succeeded when every host has, and the failure that came first
is every host's. It is left in the plan's folder, where `train` makes the report of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, OnDemand
from mlberth.errors import MlberthError
from mlberth.process.children import Child, reap, signal_group, start, witness_for
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.log import INFO, WARNING, Log
from mlberth_train.ranks.connection import Message
from mlberth_train.ranks.coordinator import Coordinator
from mlberth_train.ranks.link import LeaderLink, WorkerLink
from mlberth_train.ranks.plan import RANKS, READY, VERDICT, WOKEN, Plan, Record
from mlberth_train.ranks.processes import Process
from mlberth_train.ranks.remote import REQUEST, is_daemon
from mlberth_train.ranks.watch import STOPPED_SECONDS, Running, Watch, read_running

if TYPE_CHECKING:
    from mlberth.process import witness as witnesses
else:
    witnesses = OnDemand("mlberth.process.witness")

_TICK_SECONDS = 0.1
_END_SECONDS = 8.0
"""How long ranks may take to end after a failure somewhere else; they may save something."""
_ELSEWHERE_SECONDS = 2.0
"""How much later than on another host a signal may come here."""
_QUIET_SECONDS = 0.5
"""How long after the last metric found in the output there may be one more."""
_LATE_SECONDS = 3.0
"""How much longer than the grace the ranks have, who end what is below them first."""


def run_agent(plan: Plan, environ: Mapping[str, str], signals: SignalQueue, log: Log) -> int:
    """Run this host's part of the job to the end of the whole job; return the exit code."""
    adopt_orphans()
    try:
        with witness_for(environ) as witness:
            record = Agent(plan, environ, signals, log, witness).run()
    except MlberthError as error:
        record = Record(plan.host, returncode=error.exit_code, fault=list(error.faults[0]))
    verdict = Path(plan.folder) / VERDICT
    verdict.write_text(json.dumps(record._asdict() if record else None))
    return record.exit_code if record else 0


class Agent:
    """One host's processes, and its word with the others."""

    def __init__(
        self,
        plan: Plan,
        environ: Mapping[str, str],
        signals: SignalQueue,
        log: Log,
        witness: witnesses.Witness | None = None,
    ) -> None:
        self._plan = plan
        self._witness = witness
        self._environ = environ
        self._signals = signals
        self._log = log
        leader = plan.leads
        self._link = LeaderLink(plan, Coordinator(plan), self._note) if leader else WorkerLink(plan)
        self._children: list[Child] = []
        self._helpers: dict[str, Child] = {}
        self._reported: set[str] = set()
        """The files of ranks whose failure has been told."""
        # Somebody may stop `train` in a terminal; that concerns nobody else if there is no other host.
        self._train = os.getppid() if len(plan.hosts) > 1 else 0
        self._watch = Watch(Path(plan.folder), self._train) if plan.patience else None
        self._waiting: list[int] | None = None
        """The ranks that wait, as the leader knows it."""
        self._signalled: set[tuple[int, int]] = set()
        self._stopped_by: int | None = None
        self._passed_on_at = 0.0
        """When a stop is passed on to ranks that have not had it."""
        self._deadline: float | None = None
        self._starting: Message | None = None
        """A start that waits for a helper to be ready."""
        self._is_done = False
        self._quiet_since: float | None = None
        """Since when no metric has come after the end of the ranks."""
        self._ended: Record | bool | None = False
        """How the job ended; False as long as it has not."""

    def run(self) -> Record | None:
        """Return the failure of the job; None if it has succeeded on all hosts."""
        if self._plan.leads:
            self._link.send({"kind": "join", **self._plan.contribution})
        while self._ended is False:
            for message in self._link.step():
                self._obey(message)
            if self._ended is False:
                self._look()
                self._look_at_processes()
                self._wait()
        if self._watch:
            self._watch.wake()
        self._end_all()
        self._link.send_metrics(to_the_end=True)  # what ranks have logged while they were ended
        self._link.close()
        return self._ended if isinstance(self._ended, Record) else None

    def _wait(self) -> None:
        for number in self._signals.wait(_TICK_SECONDS):
            if number == signal.SIGCHLD:
                continue
            everybody = self._witness is not None and self._witness.saw(number)
            if number in STOP:
                self._link.send({"kind": "stop", "signal": int(number)})
                self._stop(int(number))
                self._passed_on_at = time.monotonic()
                if everybody:
                    self._signalled |= {(rank.pid, int(number)) for rank in self._running()}
            elif not everybody:
                # A second one of a kind is one more.
                self._signalled -= {entry for entry in self._signalled if entry[1] == number}
                self._signal_ranks(number)
        reap(self._own)

    def _obey(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "start" and not self._children and not self._stopped_by:
            self._start_helpers(message["size"])
            self._starting = message
        elif kind == "run" and not self._stopped_by:
            self._run_daemon(message["argv"])
        elif kind == "stop":
            if self._stopped_by is None:
                name = signal.Signals(message["signal"]).name
                self._log.write(INFO, f"{name} reached {message['host']}; it is passed on to every rank")
            self._stop(message["signal"])
            # An engine that signals all processes does so on each host, here a little later.
            self._passed_on_at = time.monotonic() + (_ELSEWHERE_SECONDS if self._witness else 0.0)
        elif kind == "end":
            self._ended = Record.of(message["record"]) if message["record"] else None

    def _start_helpers(self, size: int) -> None:
        plan = self._plan
        for helper in plan.helpers:
            path = {"PYTHONPATH": plan.pythonpath} if helper.with_code else {}
            environ = {**self._environ, **self._counted(0, size), **helper.environ, **path}
            self._helpers[helper.name] = self._start(helper.argv, environ)

    def _start_ranks(self, message: Message) -> None:
        """Start this host's ranks, if it has any, when its helpers are ready."""
        plan, first, size = self._plan, message["first"], message["size"]
        if any(helper.tells for helper in plan.helpers):
            if not (Path(plan.folder) / RANKS / READY).exists():
                return
            self._link.send({"kind": "ready"})
        self._starting = None
        for local, own in enumerate(plan.environs):
            environ = {**self._environ, **own, **self._counted(first + local, size)}
            self._children.append(self._start(plan.argv, environ))
        if not plan.processes:
            self._log.write(INFO, f"{plan.host} has no data, or only helps: the program does not run here")
            self._is_done = True
            self._link.send({"kind": "done"})

    def _start(self, argv: list[str], environ: Mapping[str, str]) -> Child:
        # Ranks let a stop through, and save; what has started them, or helps them, goes on until they have.
        blocked = STOP if self._witness else ()
        return start(argv, env=environ, cwd=Path(self._plan.folder), blocked=blocked)

    def _counted(self, rank: int, size: int) -> dict[str, str]:
        return {name: text.format(rank=rank, size=size) for name, text in self._plan.counted.items()}

    def _run_daemon(self, argv: list[str]) -> None:
        if self._plan.launcher == "mpi" and is_daemon(argv):
            self._children.append(self._start(argv, self._environ))
            return
        self._note(f"Refused to run {argv!r}, which is no daemon of MPI")

    def _pass_requests_on(self) -> None:
        """Hand to other hosts what mpirun wants to start there."""
        for file in (Path(self._plan.folder) / RANKS).glob(f"*{REQUEST}"):
            if not file.name.startswith("."):
                self._link.send({"kind": "run", **json.loads(file.read_text())})
                file.unlink()

    def _look(self) -> None:
        """Report what has become of this host's ranks."""
        if self._plan.leads:
            self._pass_requests_on()
        self._link.send_metrics()
        self._look_at_helpers()
        restarts = self._plan.restarts or self._plan.min_hosts < len(self._plan.hosts)
        ended = bool(self._children) and all(child.returncode is not None for child in self._children)
        bad = next((child for child in self._children if child.returncode), None)
        # What a launcher may start anew is a failure when it has given up; and it may have failed for others.
        if not restarts or (ended and (bad or self._stopped_by)):
            self._report_ranks()
        if self._stopped_by:
            if time.monotonic() >= self._passed_on_at:
                self._signal_ranks(self._stopped_by)
            if not self._own:  # it came before the start
                number = self._stopped_by
                self._ended = Record(self._plan.host, stopped_by=number, returncode=-number)
        if ended and not self._is_done:
            if bad:
                self._fail_child(bad, _named(self._plan.argv))
            self._finish_metrics()
        if self._deadline and time.monotonic() > self._deadline:
            self._end_all(polite_seconds=0)

    def _look_at_helpers(self) -> None:
        """Start ranks that wait for a helper, and report one that has ended: ranks fail because of it."""
        if self._stopped_by:
            return
        if self._starting:
            self._start_ranks(self._starting)
        for name, helper in self._helpers.items():
            if helper.returncode is not None:
                self._fail_child(helper, name, is_cause=True)

    def _look_at_processes(self) -> None:
        """Report what is stopped, and tell the leader whether the ranks compute."""
        if not self._watch or not self._own or (self._is_done and not self._helpers):
            return
        if "train" not in self._reported and (Path(self._plan.folder) / WOKEN).exists():
            self._fail_stopped("the agent of `train`", None)
        sight = self._watch.look()
        if not sight:
            return
        for rank in sight.ended:
            self._link.send({"kind": "ended", "rank": rank})
        for process, running in sight.stopped:
            self._fail_stopped(self._name(process), running)
        # Between a failure and a new start, torchrun may wait for hosts: nobody computes, and it is no hang.
        waiting = sight.waiting if sight.waiting or self._has_finished() else None
        if waiting != self._waiting:
            self._waiting = waiting
            self._link.send({"kind": "waiting", "ranks": waiting})

    def _name(self, process: Process) -> str:
        return "`train`" if process.pid == self._train else f"process {process.pid}"

    def _fail_stopped(self, name: str, running: Running | None) -> None:
        """Report a process that a signal has stopped: of a rank, or of what has started the ranks."""
        key = f"rank {running.rank}" if running else "train"
        if key in self._reported:
            return
        self._reported.add(key)
        where = f"{key} on {self._plan.host}" if running else f"{name} on {self._plan.host}"
        found = f"stopped by a signal for {STOPPED_SECONDS:g} s" + (f" ({name})" if running else "")
        action = "See who sends SIGSTOP; to let processes be stopped, set SAGEMAKER_LAUNCHER_HANG_SECONDS=0."
        fault = [where, found, "a process that goes on", action]
        rank, ranks = (running.rank, running.ranks) if running else (None, None)
        record = Record(
            self._plan.host, rank=rank, ranks=ranks, time=time.time() - STOPPED_SECONDS, fault=fault
        )
        self._send_failure(record)

    def _has_finished(self) -> bool:
        """Return whether the ranks that have ended here have ended well."""
        records = list(self._records())
        return bool(records) and not any(record.exit_code for _, record in records)

    def _records(self) -> Iterator[tuple[str, Record]]:
        """Yield the end of each rank that has ended, with its file's name."""
        folder = Path(self._plan.folder) / RANKS
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names alone
            if name.endswith(".json") and not name.startswith(".") and name not in self._reported:
                with contextlib.suppress(FileNotFoundError):  # the rank begins anew
                    yield name, Record.of(json.loads((folder / name).read_text()))

    def _finish_metrics(self) -> None:
        """Say that this host has done, when the leader has its metrics."""
        now = time.monotonic()
        if self._link.send_metrics(to_the_end=True) or self._quiet_since is None:
            self._quiet_since = now
        if self._plan.leads or not self._plan.finds_metrics or now - self._quiet_since > _QUIET_SECONDS:
            self._is_done = True
            self._link.send({"kind": "done"})

    def _report_ranks(self) -> None:
        for name, record in self._records():
            if record.exit_code:
                self._reported.add(name)
                self._send_failure(record)

    def _fail_child(self, child: Child, name: str, *, is_cause: bool = False) -> None:
        """Report the end of a launcher's process of which no rank knows."""
        if self._reported:
            return
        self._reported.add("launcher")
        code = child.returncode
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        found = f"{how}, and no rank has failed"
        fault = [f"{name} on {self._plan.host}", found, "exit code 0", "Look at its last lines in the log."]
        self._send_failure(Record(self._plan.host, fault=fault, time=time.time(), is_cause=is_cause))

    def _send_failure(self, record: Record) -> None:
        self._link.send({"kind": "failed", "record": record._asdict()})

    def _stop(self, number: int) -> None:
        """Pass a stop on to every rank, which may then save what it has."""
        if self._stopped_by is None:
            self._stopped_by = number
            self._deadline = time.monotonic() + self._plan.grace + _LATE_SECONDS

    def _signal_ranks(self, number: int) -> None:
        """Signal the ranks that have not had this signal; those that begin later get it then.

        The ranks themselves: torchrun and mpirun would give them little time to end.
        """
        for pid, *_ in self._running():
            if (pid, number) not in self._signalled:
                self._signalled.add((pid, number))
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(pid, number)

    def _running(self) -> Collection[Running]:
        return read_running(Path(self._plan.folder) / RANKS).values()

    def _end_all(self, polite_seconds: float = _END_SECONDS) -> None:
        if polite_seconds and any(child.returncode is None for child in self._own):
            deadline = time.monotonic() + polite_seconds
            while not self._have_ended() and time.monotonic() < deadline:
                self._signals.wait(_TICK_SECONDS)
        for child in self._own:
            if child.returncode is None:
                signal_group(child, signal.SIGTERM)
                if self._witness and child.pid not in {rank.pid for rank in self._running()}:
                    signal_group(child, signal.SIGHUP)  # SIGTERM is blocked there
        spared = {self._witness.pid} if self._witness else ()
        end_descendants(self._own, self._signals, polite_seconds=min(polite_seconds, 2.0), spared=spared)
        reap(self._own)

    def _have_ended(self) -> bool:
        self._signal_ranks(signal.SIGTERM)
        reap(self._own)
        return all(child.returncode is not None for child in self._children)

    @property
    def _own(self) -> list[Child]:
        return [*self._children, *self._helpers.values()]

    def _note(self, text: str) -> None:
        self._log.write(WARNING, text)


def _named(argv: list[str]) -> str:
    return argv[2] if argv[1:2] == ["-m"] else Path(argv[0]).name
