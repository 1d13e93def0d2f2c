"""The plan of one host's part in a distributed job: written by `train`, read by the processes below it."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import NamedTuple, typing
from mlberth.errors import PlatformError

PLAN = "MLBERTH_PLAN"
"""The variable that names the plan's file to the agent and the ranks; no program gets to see it."""
OWN_RANK, OWN_RANKS = "MLBERTH_RANK", "MLBERTH_RANKS"
"""Which rank a process is, and of how many, if its launcher gives it no other variables for that."""
VERDICT = "verdict.json"
"""How the whole job ended, in the plan's folder; written by the agent."""
RANKS = "ranks"
"""The folder in which each rank says that it runs, and how it ended."""
READY = "ready"
"""The file in that folder with which a helper says that it is ready."""
WOKEN = "woken"
"""The file with which `train` tells the agent that it was stopped."""


class Helper(NamedTuple):
    """A process that is none of the program's, but without which it cannot go on."""

    name: str
    argv: list[str]
    environ: Mapping[str, str] = {}
    with_code: bool = False
    """Whether it imports the program's modules."""
    tells: bool = False
    """Whether it leaves the file READY when ranks can begin."""


class Plan(NamedTuple):
    """What runs on this host, and how it is bound to the others."""

    folder: str
    """A private folder of this host, for the processes of the job alone."""
    launcher: str
    host: str
    hosts: list[str]
    """All hosts of the distribution; the first leads."""
    processes: int
    """How many ranks this host has; 0 only helps the others."""
    equal: bool
    """Whether all hosts must have as many."""
    port: int
    """The leader's port for the other agents."""
    wait: float
    """How long hosts wait for each other before anything runs, in seconds."""
    grace: float
    patience: float
    """How long ranks may wait for one that has ended, in seconds; 0 watches nothing."""
    min_hosts: int
    """How many hosts are enough to go on."""
    restarts: int
    collapse: bool
    program: list[str]
    code: str
    pythonpath: str
    argv: list[str]
    """What the agent runs: once for each of `environs`."""
    environs: list[dict[str, str]]
    helpers: list[Helper]
    """Processes beside the ranks that are ended with the job."""
    counted: dict[str, str]
    """Variables of the ranks that depend on how many there are, as text with {rank} and {size}."""
    job: str
    """What all hosts of a job have in common, and no other job has."""
    source: str = "resourceconfig.json, hosts"
    """Where the hosts come from, for messages."""
    log_format: str = "text"
    """How the agent's own lines look: `text` or `json`."""
    metrics: str = ""
    """The file of this host's metrics; the leader's takes in those of the others."""
    finds_metrics: bool = False
    """Whether metrics are also found in the output, which takes a moment longer than the output itself."""

    @property
    def leads(self) -> bool:
        """Whether this is the leader."""
        return self.host == self.leader

    @property
    def leader(self) -> str:
        """The first host."""
        return self.hosts[0]

    @property
    def contribution(self) -> dict[str, typing.Any]:
        """What this host brings into the job."""
        return {"processes": self.processes, "helps": bool(self.helpers)}

    def write(self) -> Path:
        """Write the plan into its folder, for its user alone; return the file."""
        (Path(self.folder) / RANKS).mkdir(mode=0o700)
        file = Path(self.folder) / "plan.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self._asdict()))
        return file

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read what `write` has written."""
        plan = cls(**json.loads(file.read_text()))
        return plan._replace(helpers=[Helper(*helper) for helper in plan.helpers])


class Record(NamedTuple):
    """How a rank ended, or what became of a host."""

    host: str
    rank: int | None = None
    ranks: int | None = None
    time: float = 0.0
    """When its traceback began, or it ended; on the leader's clock, once that has it."""
    returncode: int = 0
    stopped_by: int | None = None
    overran: bool = False
    code: str = ""
    """The code folder on its host."""
    stderr: str = ""
    """The last of its standard error, a character for each byte."""
    cuts: list[int] = []  # noqa: RUF012 - a tuple's default, which nobody changes
    seconds: float = 0.0
    lost: bool = False
    """Whether the host has left without a word."""
    is_cause: bool = False
    """Whether ranks may have failed because of it."""
    fault: list[str] | None = None
    """What is wrong with a host, in the four parts of a `Fault`, and its exit code; None for a rank."""

    @property
    def was_killed(self) -> bool:
        """Whether a rank was ended by SIGKILL, which no library sends itself."""
        return self.returncode == -signal.SIGKILL and self.rank is not None and not self.stopped_by

    @property
    def exit_code(self) -> int:
        """The exit code that the whole job has, if this is its reason."""
        if self.fault:
            return self.returncode or PlatformError.exit_code
        return 128 - self.returncode if self.returncode < 0 else self.returncode

    @classmethod
    def of(cls, fields: typing.Any) -> Record:
        """Return the record with these fields; raises TypeError for other ones."""
        return cls(**fields)
