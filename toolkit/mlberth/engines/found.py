"""A job as the variables of one engine describe it, and the reading of such variables."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import NamedTuple
from mlberth.envvars import Kind, whole_number
from mlberth.errors import Fault

MOST = 2**20
TORCHRUN = "torchrun"


class Found(NamedTuple):
    """A job of some hosts and processes, as seen from one `train`."""

    engine: str
    """Whose variables these are."""
    variables: tuple[str, ...]
    """The variables that were read."""
    hosts: int
    """How many hosts there are."""
    host: int
    """The position of this one, from 0."""
    names: tuple[str, ...] = ()
    """All hosts by the names that the network knows; () if the variables do not name them."""
    leader: str = ""
    """The address of the first host; "" if no variable has it."""
    port: int | None = None
    """The leader's port for the program."""
    process: tuple[int, int] | None = None
    """The rank of this `train` among all, and their number; None if a launcher of ours makes the ranks."""
    local: tuple[int, int] = (0, 1)
    """The same among those of this host."""
    launcher: str | None = None
    """The launcher that the variables are meant for."""
    per_host: str = ""
    """How many processes of the program a host has: a number, or torchrun's `auto`, `gpu` or `cpu`."""
    least: int | None = None
    """How many hosts are enough, of an elastic job."""
    restarts: int | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it says no more than that there is one process."""
        return self.hosts == 1 and self.local[1] == 1 and self.launcher is None

    @property
    def is_rank(self) -> bool:
        """Whether this `train` is one of several on its host, or torchrun's: no launcher may start more."""
        return self.local[1] > 1 or self.engine == TORCHRUN

    def agrees_with(self, other: Found) -> bool:
        """Return whether another engine's variables can be those of the same job.

        One may count hosts and the other processes; an operator may count all processes and yet number hosts.
        """
        mine, theirs = {(self.hosts, self.host)}, (other.hosts, other.host)
        if self.process:
            mine.add((self.process[1], self.process[0]))
        whole = other.host == self.host and other.hosts % self.hosts == 0
        same_rank = self.process is not None and self.process == other.process
        return theirs in mine or whole or same_rank


class Partial(NamedTuple):
    """Variables of one engine that say too little, or the wrong thing."""

    engine: str
    faults: list[Fault]


class Fields:
    """The variables of one engine, read one by one; what is wrong with them is collected."""

    def __init__(self, engine: str, environ: Mapping[str, str], hint: str = "") -> None:
        self.engine = engine
        self.faults: list[Fault] = []
        self.names: list[str] = []
        """The variables that were there."""
        self._environ = environ
        self._hint = hint or "Set it, unset the others, or write resourceconfig.json."

    def text(self, *names: str, needed: bool = False) -> str:
        """Return the first of some variables that is set, "" if none is."""
        for name in names:
            if text := self._environ.get(name, "").strip():
                self.names.append(name)
                return text
        if needed:
            self._missing(names[0])
        return ""

    def count(self, *names: str, least: int = 1, needed: bool = True) -> int | None:
        """Return the number in the first of some variables that is set; None with a fault without one."""
        return self._number(names, whole_number(least, MOST), needed=needed)

    def rank(self, *names: str, of: int | None, needed: bool = True) -> int | None:
        """Return a position that is less than a number, if that is known."""
        return self._number(names, whole_number(0, MOST if of is None else of - 1), needed=needed)

    def port(self, *names: str) -> int | None:
        """Return a port, if there is one."""
        return self._number(names, whole_number(1, 65535), needed=False)

    def add(self, name: str, found: str, expected: str) -> None:
        """Note a fault of one variable."""
        self.faults.append(Fault(name, found, expected, self._hint))

    def partial(self) -> Partial:
        """Return what is wrong."""
        return Partial(self.engine, self.faults)

    def _number(self, names: tuple[str, ...], kind: Kind[int], *, needed: bool) -> int | None:
        text = self.text(*names, needed=needed)
        if not text:
            return None
        try:
            return kind.parse(text)
        except ValueError:
            self.add(self.names[-1], repr(text), kind.expected)
            return None

    def _missing(self, name: str) -> None:
        others = ", ".join(self.names)
        found = f"nothing, with {others}" if others else "nothing"
        self.add(name, found, f"what {self.engine} sets with them" if others else f"what {self.engine} sets")


def split_address(text: str) -> tuple[str, int | None]:
    """Return host and port of `host:port`, `[v6]:port` or a host alone."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or (":" in host and not host.endswith("]")):
        return text.strip("[]"), None
    return host.strip("[]"), int(port)


def numbered(leader: str, hosts: int, host: int, own: str) -> tuple[str, ...]:
    """Return the names of pods that are numbered, from that of the first, if this host's is among them.

    Of `job-0.service` and three hosts: `job-0.service`, `job-1.service` and `job-2.service`.
    """
    label, dot, rest = leader.partition(".")
    stem = label.removesuffix("-0")
    if stem == label or own.partition(".")[0] != f"{stem}-{host}":
        return ()
    return tuple(f"{stem}-{number}{dot}{rest}" for number in range(hosts))
