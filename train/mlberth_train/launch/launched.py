"""A program with a launcher: its plan is written, the agent run, and the verdict of all hosts read."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from signal import Signals

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.contract.environment import Environment
from mlberth.errors import ContractError, DependencyError, Fault, MlberthError, PlatformError, PortInUseError
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import Outcome, supervise
from mlberth_train.launch.choice import find_launcher
from mlberth_train.launch.launchers.cluster import Cluster, read_cluster
from mlberth_train.launch.launchers.launcher import Launcher, LaunchJob
from mlberth_train.metrics.job_metrics import JobMetrics
from mlberth_train.ranks.plan import PLAN, VERDICT, Plan, Record
from mlberth_train.ranks.watch import AgentWatch
from mlberth_train.settings import Settings
from mlberth_train.variables import HOST_WAIT, LAUNCHER

if TYPE_CHECKING:
    from mlberth.process import witness as witnesses
else:
    witnesses = OnDemand("mlberth.process.witness")

_ERRORS = {error.exit_code: error for error in (ContractError, PortInUseError, PlatformError)}
_AGENT_SECONDS = 10.0
"""How much longer than the grace of the program the agent has, to end the processes and tell the others."""
_LEFT_OUT = frozenset({"PYTHONPATH", "PET_STANDALONE", "PET_MODULE", "PET_RUN_PATH"})
"""Variables from which our processes, and torchrun, would take what is not theirs."""
_RANKS = frozenset({"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"})
_INTERFACES = Path("/sys/class/net")


class Launch(NamedTuple):
    """What starts a program's processes, and where."""

    launcher: str
    job: LaunchJob
    environ: Mapping[str, str]
    """The environment of the agent and the launcher: without the user's code on PYTHONPATH."""

    @property
    def cluster(self) -> Cluster:
        """The hosts that take part."""
        return self.job.cluster

    def __str__(self) -> str:
        hosts, processes = len(self.cluster.hosts), self.cluster.processes
        what = "1 process" if processes == 1 else f"{processes} processes"
        where = "this host" if hosts == 1 else f"each of {hosts} hosts, led by {self.cluster.leader}"
        return f"{self.launcher}: {what} on {where}"


class Ended(NamedTuple):
    """How a launched program ended, and where the reason is."""

    problem: Outcome | MlberthError | Signals
    place: tuple[str, int | None, int | None, str]
    """Host, rank, number of ranks, and the host's code folder."""


def make_launch(launcher: str, environment: Environment, environ: Mapping[str, str], python: str) -> Launch:
    """Return how a launcher runs a job; raises ContractError for faulty settings."""
    cluster, kind = read_cluster(environment, environ), find_launcher(launcher)
    if kind.names and not cluster.named:
        found = f"{cluster.source}, which name no host but the first"
        action = "Name all hosts in resourceconfig.json, or choose another launcher."
        raise ContractError(Fault(f"the launcher {launcher}", found, "the names of all hosts", action))
    if kind.one_each:
        cluster = cluster._replace(processes=1)
    if not kind.elastic:
        cluster = cluster._replace(min_hosts=len(cluster.hosts), restarts=0)
    words = [launcher, environment.job_name, cluster.hosts, environment.program]
    name = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
    rank = [python, "-m", "mlberth_train.ranks", "rank"]
    job = LaunchJob(cluster, rank, python, name, environment.parameters.framework, environment.channels)
    return Launch(launcher, job, environ)


def cluster_environ(cluster: Cluster) -> dict[str, str]:
    """Return what a program is told of its cluster, and what its libraries need to find the network."""
    exists = (_INTERFACES / cluster.interface).exists()
    names = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME") if exists and len(cluster.hosts) > 1 else ()
    return dict.fromkeys(names, cluster.interface)


def without_ranks(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the rank of this `train`, which is none of the launcher's processes'."""
    return {name: value for name, value in environ.items() if name not in _RANKS}


def contract_environ(cluster: Cluster) -> dict[str, str]:
    """Return the variables of the contract that name the leader and this host's rank."""
    return {
        "SM_MASTER_ADDR": cluster.leader,
        "SM_MASTER_PORT": str(cluster.master_port),
        "SM_CURRENT_HOST_RANK": str(cluster.rank),
    }


def run_launched(
    launch: Launch,
    argv: Sequence[str],
    *,
    code: Path,
    environ: Mapping[str, str],
    settings: Settings,
    collapse: bool,
    metrics: JobMetrics | None,
    signals: SignalQueue,
    on_start: Callable[[], None],
    on_stop: Callable[[Signals], None],
    tap: Callable[[int, bytes], None] | None = None,
    spared: frozenset[int] = frozenset(),
    witness: witnesses.Witness | None = None,
) -> Ended:
    """Run a program on this host as its launcher does, to the end of the whole job.

    Raises DependencyError for a launcher that is not installed.
    """
    _check_installed(find_launcher(launch.launcher), environ)
    folder = Path(tempfile.mkdtemp(prefix="mlberth-"))
    plan = make_plan(launch, settings, folder=folder, argv=argv, code=code)
    plan = plan._replace(collapse=collapse, pythonpath=environ["PYTHONPATH"])
    agent = AgentWatch(folder) if settings.patience else None
    if metrics:
        plan = plan._replace(metrics=str(metrics.file), finds_metrics=bool(metrics.definitions))
    try:
        outcome = supervise(
            [launch.job.python, "-m", "mlberth_train.ranks", "agent"],
            env=_agent_environ(launch, environ) | {PLAN: str(plan.write())},
            cwd=folder,
            signals=signals,
            grace=settings.grace + _AGENT_SECONDS,
            on_start=on_start,
            on_stop=on_stop,
            tap=tap,
            spared=spared,
            witness=witness,
            watch=agent.is_lost if agent else None,
        )
        if agent and agent.gave_up:
            return Ended(
                PlatformError(agent.fault(launch.cluster.current)), (launch.cluster.current, None, None, "")
            )
        return _ended(outcome, folder / VERDICT, launch.cluster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_installed(launcher: Launcher, environ: Mapping[str, str]) -> None:
    invalidate_caches()  # the job's requirements have just been installed
    missing = {f"no module {name}": by for name, by in launcher.needs.items() if find_spec(name) is None}
    path = environ.get("PATH")
    missing |= {
        f"no command {name}": by
        for name, by in launcher.commands.items()
        if shutil.which(name, path=path) is None
    }
    for found, installed_by in missing.items():
        action = f"Install it, or choose another launcher with {LAUNCHER.name}."
        raise DependencyError(Fault(f"the launcher {launcher.name}", found, installed_by, action))


def _agent_environ(launch: Launch, environ: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    # A file of the user's, such as json.py, must not stand before the library of our processes.
    path = launch.environ.get("PYTHONPATH")
    return own | ({"PYTHONPATH": path} if path else {})


def host_command(launch: Launch) -> list[str]:
    """Return what this host runs."""
    return find_launcher(launch.launcher).argv(launch.job)


def make_plan(launch: Launch, settings: Settings, *, folder: Path, argv: Sequence[str], code: Path) -> Plan:
    """Return what a host does of a job."""
    launcher, cluster = find_launcher(launch.launcher), launch.cluster
    has_ranks = launcher.has_ranks(launch.job)
    return Plan(
        folder=str(folder),
        launcher=launcher.name,
        host=cluster.current,
        hosts=cluster.hosts,
        processes=cluster.processes if has_ranks else 0,
        equal=launcher.equal,
        port=cluster.port,
        wait=settings.host_wait or HOST_WAIT.worked_out_default(),
        grace=settings.grace,
        patience=settings.patience,
        min_hosts=cluster.min_hosts,
        restarts=cluster.restarts,
        collapse=settings.collapse,
        program=list(argv),
        code=str(code),
        pythonpath="",
        argv=launcher.argv(launch.job),
        environs=launcher.environs(launch.job) if has_ranks else [],
        helpers=launcher.helpers(launch.job),
        counted=dict(launcher.counted),
        job=launch.job.name,
        source=cluster.source,
        log_format=settings.log_format,
    )


def _ended(outcome: Outcome, verdict: Path, cluster: Cluster) -> Ended:
    here = (cluster.current, cluster.rank, len(cluster.hosts), "")
    try:
        fields = json.loads(verdict.read_text())
    except (OSError, ValueError):  # the agent itself was killed
        number = outcome.stopped_by
        return Ended(number if number and outcome.returncode == -number else outcome, here)
    if fields is None:
        return Ended(outcome._replace(returncode=0, overran=False), here)
    record = Record.of(fields)
    place = (record.host, record.rank, record.ranks, record.code)
    if record.fault:
        error = _ERRORS.get(record.exit_code, PlatformError)
        return Ended(error(Fault(*record.fault)), place)
    stopped_by = Signals(record.stopped_by) if record.stopped_by else outcome.stopped_by
    if record.rank is None and stopped_by:
        return Ended(stopped_by, place)
    end = Outcome(
        returncode=record.returncode,
        stopped_by=stopped_by,
        overran=record.overran,
        stderr=record.stderr.encode("latin-1"),
        seconds=outcome.seconds,
        cuts=tuple(record.cuts),
    )
    return Ended(end, place)
