"""The hosts of a distributed job, and how many processes of the program each has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlberth._typing import NamedTuple, typing
from mlberth.contract.environment import Environment
from mlberth.engines.found import Found
from mlberth.envvars import Kind, Reader, whole_number
from mlberth.errors import ContractError, Fault
from mlberth_train import variables

_MPI_PROCESSES = "sagemaker_mpi_num_of_processes_per_host"
_COUNT: Kind[int] = whole_number(1, variables.MOST_PROCESSES)


class Cluster(NamedTuple):
    """The hosts that take part, as seen from one of them."""

    hosts: list[str]
    """By name; the first leads."""
    current: str
    processes: int
    """Processes of the program on this host."""
    port: int
    """The leader's port for `train` itself."""
    master_port: int
    """The leader's port for the program."""
    interface: str
    cpus: int
    min_hosts: int
    restarts: int
    named: bool = True
    """Whether every host can be reached by its name; else only the leader."""
    in_order: bool = False
    """Whether an engine has numbered the hosts, so that the first rank must be on the first one."""
    source: str = "resourceconfig.json, hosts"
    """Where the hosts come from, for messages."""

    @property
    def leader(self) -> str:
        """The host that the others connect to."""
        return self.hosts[0]

    @property
    def rank(self) -> int:
        """This host's position."""
        return self.hosts.index(self.current)

    @property
    def size(self) -> int:
        """How many processes the program has, if each host has as many as this one."""
        return len(self.hosts) * self.processes


def read_cluster(environment: Environment, environ: Mapping[str, str]) -> Cluster:
    """Return the cluster of a job that has a launcher; raises ContractError for faulty settings."""
    reader = Reader(environ)
    found = environment.hosts.found
    listed = environment.distribution_hosts or environment.hosts.names
    hosts = list(listed) if found else sorted(listed)
    port, restarts = _of_engine(reader, found)
    least = reader.get(variables.MIN_HOSTS) or (found.least if found else None)
    cluster = Cluster(
        hosts=hosts,
        current=environment.hosts.current,
        processes=reader.get(variables.PROCESSES) or _processes(environment),
        port=reader.get(variables.LAUNCHER_PORT),
        master_port=port,
        interface=environment.hosts.network_interface,
        cpus=environment.num_cpus,
        min_hosts=min(least or len(hosts), len(hosts)),
        restarts=restarts,
        named=found is None or bool(found.names) or len(hosts) == 1,
        in_order=found is not None,
        source=environment.hosts.source,
    )
    for fault in _without_names(cluster, found):
        reader.add(fault)
    if cluster.port == cluster.master_port and len(hosts) > 1:
        both = f"{cluster.port}, as {variables.MASTER_PORT_VARIABLE.name}"
        reader.add(Fault(variables.LAUNCHER_PORT.name, both, "another port than the program's"))
    reader.check()
    return cluster


def _of_engine(reader: Reader, found: Found | None) -> tuple[int, int]:
    """Return the program's port and the number of restarts: our own variables win over the engine's."""
    port, restarts = reader.get(variables.MASTER_PORT_VARIABLE), reader.get(variables.MAX_RESTARTS)
    if found and found.port and not reader.source(variables.MASTER_PORT_VARIABLE):
        port = found.port
    if found and found.restarts is not None and not reader.source(variables.MAX_RESTARTS):
        restarts = found.restarts
    return port, restarts


def _without_names(cluster: Cluster, found: Found | None) -> Iterator[Fault]:
    """Yield what a launcher lacks if the engine does not name the hosts."""
    if cluster.named:
        return
    if not (found and found.leader):
        action = "Set MASTER_ADDR, or write resourceconfig.json."
        expected = "the address of the first host, for a launcher"
        yield Fault("MASTER_ADDR", f"nothing, with {cluster.source}", expected, action)
    if cluster.min_hosts < len(cluster.hosts):
        enough = f"{cluster.min_hosts} of {len(cluster.hosts)} hosts are enough"
        action = f"Wait for all hosts ({variables.MIN_HOSTS.name}), or name them in resourceconfig.json."
        yield Fault(cluster.source, enough, "names of all hosts, if they may come and go", action)


def _processes(environment: Environment) -> int:
    """Return what the job asks for, else one process for each accelerator, else one."""
    named: typing.Any = environment.parameters.framework.get(_MPI_PROCESSES)
    if named is not None and environment.parameters.framework.get("sagemaker_mpi_enabled"):
        try:
            return _COUNT.parse(str(named))
        except ValueError:
            fault = Fault(f"the hyperparameter {_MPI_PROCESSES}", repr(named), _COUNT.expected)
            raise ContractError(fault) from None
    gpus = environment.num_gpus
    found = environment.hosts.found
    per_host = found.per_host if found else ""
    if per_host.isdecimal():
        return int(per_host)
    if per_host == "cpu" or (per_host == "auto" and not gpus):
        return environment.num_cpus
    return gpus or environment.num_neurons or 1
