"""The hosts of a distributed job, and how many processes of the program each has."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth._typing import NamedTuple, typing
from mlberth.contract.environment import Environment
from mlberth.contract.resources import count_visible
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
    hosts = sorted(environment.distribution_hosts or environment.hosts.names)
    cluster = Cluster(
        hosts=hosts,
        current=environment.hosts.current,
        processes=reader.get(variables.PROCESSES) or _processes(environment, environ),
        port=reader.get(variables.LAUNCHER_PORT),
        master_port=reader.get(variables.MASTER_PORT_VARIABLE),
        interface=environment.hosts.network_interface,
        cpus=environment.num_cpus,
        min_hosts=min(reader.get(variables.MIN_HOSTS) or len(hosts), len(hosts)),
        restarts=reader.get(variables.MAX_RESTARTS),
    )
    if cluster.port == cluster.master_port and len(hosts) > 1:
        found = f"{cluster.port}, as {variables.MASTER_PORT_VARIABLE.name}"
        reader.add(Fault(variables.LAUNCHER_PORT.name, found, "another port than the program's"))
    reader.check()
    return cluster


def _processes(environment: Environment, environ: Mapping[str, str]) -> int:
    """Return what the job asks for, else one process for each accelerator, else one."""
    named: typing.Any = environment.parameters.framework.get(_MPI_PROCESSES)
    if named is not None and environment.parameters.framework.get("sagemaker_mpi_enabled"):
        try:
            return _COUNT.parse(str(named))
        except ValueError:
            fault = Fault(f"the hyperparameter {_MPI_PROCESSES}", repr(named), _COUNT.expected)
            raise ContractError(fault) from None
    gpus = count_visible(environ.get("CUDA_VISIBLE_DEVICES"), environment.num_gpus)
    return gpus or environment.num_neurons or 1
