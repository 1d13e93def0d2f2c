"""The gateway as the daemon has it: started, taken over, told, and started again if it ends unasked."""

from __future__ import annotations

import itertools
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlberth_local.gateway.base import GatewayError
from mlberth_local.gateway.control_socket import Places, connect
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.link import Link
from mlberth_local.gateway.messages import Message
from mlberth_local.gateway.table import Instance, Table
from mlberth_local.gateway.table_file import write_table
from mlberth_local.gateway.takeover import end

_LOG = logging.getLogger("mlberth.gateway")
_START_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_PAUSES = (0.0, 0.2, 1.0, 5.0)
"""Before the first, second, … try to start a gateway again; the last holds for all that follow."""


@dataclass(frozen=True)
class Callbacks:
    """What the daemon does for the gateway; each is called in a thread of the gateway's client."""

    connection: Callable[[int, bytes], None]
    """Answers on a connection of a client: its descriptor, and what was read of it."""
    report: Callable[[list[Any]], None]
    """Keeps counts: lists of start, endpoint, variant, configuration, and `Tally.as_json`."""
    accept: Callable[[bool], None]
    """Accepts connections itself from now on, or leaves that to the gateway."""
    need: Callable[[str, str, bool], None] = lambda endpoint, variant, awake: None  # noqa: ARG005
    """Gives an instance to a serverless variant of an endpoint, or takes it away."""
    health: Callable[[list[Any], float], None] = lambda sick, time: None  # noqa: ARG005
    """Is told of all instances that fail their checks (`Health.as_json`), and when it was so."""
    fetch: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda wanted: None  # noqa: ARG005
    """Brings an archive, `gateway.models.fetches.Wanted`, to an instance; returns what is said of it then."""


class GatewayClient:
    """The gateway of a folder. It accepts on `sockets`, which stay the caller's."""

    def __init__(
        self,
        folder: Path,
        sockets: Sequence[socket.socket],
        *,
        keys: Path,
        environ: Mapping[str, str],
        limits: Limits | None = None,
        duplex: Mapping[str, Any] = MappingProxyType({"port": 0}),
    ) -> None:
        """`duplex` has `port`, `certificate` and `key` for streams in both directions; port 0 is none."""
        self._duplex = dict(duplex)
        self._places = Places(folder)
        self._sockets = sockets
        self._callbacks: Callbacks | None = None
        self._keys = keys
        self._environ = environ
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._link: Link | None = None
        self._used = False
        self._child: subprocess.Popen[bytes] | None = None

    def begin(self, callbacks: Callbacks) -> None:
        """Do the daemon's part from now on; a gateway that an earlier daemon has left is taken over."""
        with self._lock:
            self._callbacks = callbacks
            if self._places.pid() is None:
                return
            try:
                self._attach()
            except GatewayError:
                _LOG.exception("the gateway of an earlier daemon does not answer, and is ended")
                end(self._places.folder, 0)

    def apply(self, table: Table) -> None:
        """Route by a table: see `base.Gateway`."""
        with self._lock:
            if self._link is None and not table.endpoints and not self._places.table.exists():
                return
            self._places.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_table(self._places.table, table)
            if self._link is not None:
                self._link.ask({"do": "table"}, _ANSWER_SECONDS)
            elif table.endpoints:
                self._start()

    def drained(self, instances: Collection[Instance], seconds: float) -> bool:
        """Wait until instances have no request in flight: see `base.Gateway`."""
        link = self._link
        if link is None:
            return True
        fields = {"do": "drained", "ports": [one.ports for one in instances], "seconds": seconds}
        try:
            return bool(link.ask(fields, seconds + _ANSWER_SECONDS).fields["drained"])
        except GatewayError:
            return True  # it has ended, and with it its requests

    def stop(self, seconds: float) -> None:
        """End the process: see `base.Gateway`."""
        self._stopping.set()
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None
            end(self._places.folder, seconds)
            if self._child is not None:
                self._child.wait(_ANSWER_SECONDS)

    @property
    def http_socket(self) -> Path:
        """The Unix socket on which it answers requests that the daemon has checked."""
        return self._places.private

    @property
    def is_used(self) -> bool:
        """Whether there is a gateway, or one that is to be started again."""
        return self._used

    @property
    def _daemon(self) -> Callbacks:
        if self._callbacks is None:
            raise GatewayError("the daemon does not answer for the gateway yet")
        return self._callbacks

    def _start(self) -> None:
        """Start the process unless there is one, and wait until it accepts. Raises `GatewayError`."""
        if self._stopping.is_set():
            raise GatewayError("the gateway was stopped")
        if self._places.pid() is None:
            argv = [
                *(sys.executable, "-m", "mlberth_local.gateway"),
                *("--folder", str(self._places.folder), "--keys", str(self._keys)),
                *("--model-seconds", str(self._limits.model_seconds)),
                *("--daemon-seconds", str(self._limits.daemon_seconds)),
                *("--window-seconds", str(self._limits.window_seconds)),
                *("--idle-seconds", str(self._limits.idle_seconds)),
                *("--ping-seconds", str(self._limits.ping_seconds)),
                *("--load-seconds", str(self._limits.load_seconds)),
                *("--models-bytes", str(self._limits.models_bytes)),
            ]
            with self._places.log.open("ab") as log:
                self._child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(self._environ),
                    cwd=self._places.folder,
                    start_new_session=True,
                )
        self._attach()

    def _attach(self) -> None:
        link = Link(self._connect(), self._event, self._ended)
        try:
            link.ask({"do": "listen"}, _ANSWER_SECONDS, tuple(one.fileno() for one in self._sockets))
            link.ask({"do": "table"}, _ANSWER_SECONDS)
            link.ask({"do": "attend"}, _ANSWER_SECONDS)
        except GatewayError:
            link.close()
            raise
        try:
            link.ask({"do": "duplex", "settings": self._duplex}, _ANSWER_SECONDS)
        except GatewayError as error:  # a port that is taken for example: all else is there
            _LOG.warning("there are no streams in both directions: %s", error)
        self._link = link
        self._used = True
        self._daemon.accept(False)

    def _connect(self) -> socket.socket:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                return connect(self._places.control, _ANSWER_SECONDS)
            except OSError as error:
                starting = self._child is not None and self._child.poll() is None
                if not (starting or self._places.pid()) or time.monotonic() > until:
                    raise GatewayError(f"the gateway does not start; see {self._places.log}") from error
            time.sleep(0.01)

    def _event(self, message: Message) -> None:
        if message.fields["event"] == "connection":
            self._daemon.connection(message.descriptors[0], message.payload)
        elif message.fields["event"] == "report":
            # The store may be busy for a while; connections must not wait for it.
            threading.Thread(target=self._report, args=(message,), name="gateway report", daemon=True).start()
        elif message.fields["event"] == "need":
            fields = message.fields
            arguments = (fields["endpoint"], fields["variant"], fields["awake"])
            threading.Thread(
                target=self._daemon.need, args=arguments, name="gateway need", daemon=True
            ).start()
        elif message.fields["event"] == "health":
            found = (message.fields["sick"], message.fields["time"])
            threading.Thread(
                target=self._daemon.health, args=found, name="gateway health", daemon=True
            ).start()
        elif message.fields["event"] == "fetch":
            threading.Thread(target=self._fetch, args=(message,), name="gateway fetch", daemon=True).start()

    def _fetch(self, message: Message) -> None:
        wanted = {name: value for name, value in message.fields.items() if name != "event"}
        found = self._daemon.fetch(wanted)
        if found is not None and (link := self._link) is not None:
            with suppress(GatewayError):
                link.tell({"do": "fetched", **wanted, **found})

    def _report(self, message: Message) -> None:
        taken = 0
        try:
            self._daemon.report(json.loads(message.payload))
            taken = message.fields["windows"]
        finally:
            with suppress(GatewayError):
                if (link := self._link) is not None:
                    link.tell({"do": "taken", "windows": taken})

    def _ended(self, link: Link) -> None:
        """Start it again: its connections wait in the sockets, which are still open."""
        with self._lock:
            if self._link is not link:
                return
            self._link = None
            if self._child is not None:  # its lock is free when it has ended, and not before
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(_ANSWER_SECONDS)
        for attempt in itertools.count():
            if attempt == len(_PAUSES):
                self._daemon.accept(True)
            if self._stopping.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)]):
                return
            with self._lock:
                if self._link is not None or self._stopping.is_set():
                    return
                try:
                    self._start()
                except GatewayError:
                    _LOG.exception("the gateway ended, and cannot be started again")
                else:
                    _LOG.warning("the gateway ended; another one has taken its place")
                    return
