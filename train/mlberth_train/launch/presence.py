"""A host that has ended its work keeps its name until every other host has found it.

Where hosts are containers, the name of one ends with it. Without a launcher a host may have so little to do
that it would end before another, whose container starts late, has looked it up, and would then wait for it in
vain. So each host tells the leader, the first one, that it is there; who has succeeded ends when all are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from mlberth.contract.environment import Environment
from mlberth.envvars import Reader
from mlberth.errors import MlberthError
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.log import INFO, Log
from mlberth_train.ranks.endpoints import listen
from mlberth_train.variables import LAUNCHER_PORT

_LOOK_SECONDS = 0.1
_HELLO_SECONDS = 5.0
"""How long a connection may take to say which host it is."""
_LONGEST = 4096


class Presence:
    """What one host does for it, in a thread beside its program."""

    def __init__(
        self,
        hosts: Sequence[str],
        current: str,
        job: str,
        port: int,
        limit: float,
        *,
        address: Callable[[str], str] | None = None,
    ) -> None:
        self._hosts = hosts
        self._current = current
        self._job = job
        self._port = port
        self._limit = limit
        self._address = address or _address
        self._deadline = 0.0
        self._missing = {host for host in hosts if host != current}
        """The hosts of which is not known that they are there; all but the leader learn it at once."""
        self._all_here = threading.Event()

    @classmethod
    def of(cls, environment: Environment, environ: Mapping[str, str], limit: float) -> Presence | None:
        """Return that of a host without a launcher; None if nobody waits for the names of all hosts."""
        hosts = environment.hosts
        # Another instance group may have a launcher: its agents have the port.
        if not limit or hosts.reachable != hosts.names or environment.distribution_groups:
            return None
        words = json.dumps([environment.job_name, hosts.names, environment.program])
        job = hashlib.sha256(words.encode()).hexdigest()[:16]
        return cls(hosts.names, hosts.current, job, Reader(environ).get(LAUNCHER_PORT), limit)

    def start(self) -> None:
        """Begin, when all names have an address."""
        self._deadline = time.monotonic() + self._limit
        threading.Thread(target=self._run, daemon=True).start()

    def wait(self, signals: SignalQueue, log: Log) -> None:
        """Return when all hosts are there, at the limit, or at a stop signal."""
        announced = False
        while not self._all_here.is_set() and (left := self._deadline - time.monotonic()) > 0:
            arrived = signals.wait_for(self._all_here.is_set, min(_LOOK_SECONDS, left))
            if any(number in STOP for number in arrived):
                return
            if not announced:
                names = ", ".join(sorted(self._missing)) or "all others"
                text = f"Keeping this host's name until {names} have found it, for at most {left:.0f} s"
                log.write(INFO, text)
                announced = True

    def _run(self) -> None:
        # Whatever the network does not let: the job goes on as without this.
        with contextlib.suppress(OSError, UnicodeError, MlberthError):
            own = self._address(self._current)
            # What is on this machine keeps its name whoever ends.
            there = {host: self._address(host) for host in self._missing}
            self._missing = {host for host, at in there.items() if at != own and not _is_loopback(at)}
            leader = self._hosts[0]
            if self._missing and self._current == leader:
                self._hear()
            elif leader in self._missing:
                self._tell(leader)
        self._all_here.set()

    def _hear(self) -> None:
        """Wait for all others; then each connection is closed, which tells them so."""
        with listen(self._current, self._port) as listener:
            listener.settimeout(_LOOK_SECONDS)
            with contextlib.ExitStack() as waiting:
                while self._missing and time.monotonic() < self._deadline:
                    with contextlib.suppress(TimeoutError):
                        connection = waiting.enter_context(listener.accept()[0])
                        host = self._host_of(connection)
                        if host in self._missing:
                            self._missing = self._missing - {host}
                        else:
                            connection.close()
            self._all_here.set()
            listener.settimeout(None)
            while True:  # a host that is started anew need not wait either
                listener.accept()[0].close()

    def _host_of(self, connection: socket.socket) -> str:
        """Return which host of this job has connected; "" for anybody else."""
        connection.settimeout(_HELLO_SECONDS)
        try:
            with connection.makefile("rb") as lines:
                message = json.loads(lines.readline(_LONGEST))
            return str(message["host"]) if message["job"] == self._job else ""
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def _tell(self, leader: str) -> None:
        """Tell the leader, and wait until it closes the connection, or ends."""
        with self._connection(leader) as connection:
            connection.sendall(json.dumps({"host": self._current, "job": self._job}).encode() + b"\n")
            connection.settimeout(max(_LOOK_SECONDS, self._deadline - time.monotonic()))
            connection.recv(1)

    def _connection(self, leader: str) -> socket.socket:
        while True:
            try:
                return socket.create_connection((leader, self._port), timeout=_HELLO_SECONDS)
            except socket.gaierror:
                raise  # it had a name a moment ago: it has ended
            except OSError:
                if time.monotonic() > self._deadline:
                    raise
            time.sleep(_LOOK_SECONDS)  # its program has not begun


def _address(host: str) -> str:
    return str(socket.getaddrinfo(host, None)[0][4][0])


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
